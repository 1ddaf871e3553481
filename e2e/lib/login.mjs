// The first administrator's log-in, as the server prints it once.

/** @returns {{ login: string, password: string }} */
export function firstLogin(output) {
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  const login = /(?:log-?in|user(?:name)?|账号|用户名)\s*[:：=]?\s+([\w.@-]+)/i.exec(plain)?.[1];
  const password = /(?:password|密码)\s*[:：=]?\s+(\S+)/i.exec(plain)?.[1];
  if (!login || !password) throw new Error(`no first log-in in what the server printed:\n${plain.slice(0, 4000)}`);
  return { login, password };
}
