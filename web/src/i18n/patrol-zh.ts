/** 网上巡查的词语。形状与英文相同，由类型检查保证一句不缺。 */
import type { Words } from "./en";
import type { PatrolWords } from "./patrol-en";

const w = (what: string, works: string, next: string): Words => ({ what, works, next });
const f = (what: string, next: string): { what: string; next: string } => ({ what, next });

export const patrolZh: PatrolWords = {
  nav: { patrol: "巡查", wall: "巡查墙", timeline: "时间轴", cameras: "摄像机", alarms: "告警", check: "考前检查", exports: "导出", retention: "留存", audit: "审计" },
  time: {
    seconds: (n) => `${n} 秒`, minutes: (n) => `${n} 分钟`, hours: (h, m) => (m > 0 ? `${h} 小时 ${m} 分` : `${h} 小时`), days: (d, h) => (h > 0 ? `${d} 天 ${h} 小时` : `${d} 天`),
    least: (ms) => `≥${Math.floor(ms / (ms < 100 ? 10 : 100)) / (ms < 100 ? 100 : 10)} 秒`, delay: (ms) => (ms < 100 ? "<0.1 秒" : `${Math.round(ms / 100) / 10} 秒`),
    millis: (ms) => `${ms} 毫秒`, tenths: (ms) => `${(ms / 1_000).toFixed(1)} 秒`, ahead: (by) => `快 ${by}`, behind: (by) => `慢 ${by}`, exact: "准",
  },
  state: { off: "已停用", connecting: "连接中", live: "在线", silent: "无数据", unreachable: "离线", wrong_password: "密码错误", refused: "拒绝连接", unsupported: "无法使用", rate_exceeded: "码率超限", since: (state, time) => `${state}，已 ${time}` } as PatrolWords["state"],
  streams: { main: "主码流", sub: "子码流", sound: "声音" },
  groups: { exam_room: "考场", sealed_room: "试卷保密室", gate: "大门", corridor: "走廊", other: "其他" },
  faults: { no_stream: "无视频流", frozen: "画面冻结", black: "黑屏", white: "白屏", covered: "画面遮挡", blurred: "画面模糊", moved: "镜头移位", wrong_clock: "时钟不准", no_sound: "无声音", bit_rate: "码率异常", frame_rate: "帧率异常", undecodable: "无法解码", not_recorded: "未在录像" },
  faultAdvice: { no_stream: "请检查电源和网线。", frozen: "请重启摄像机。", black: "请检查灯光和镜头盖。", white: "请检查是否有强光直射镜头。", covered: "请移开镜头前的遮挡物。", blurred: "请擦拭镜头并重新对焦。", moved: "请将镜头转回原位。", wrong_clock: "请设置校时服务器（NTP）。", no_sound: "请检查拾音器。", bit_rate: "请检查编码设置。", frame_rate: "请检查编码设置。", undecodable: "请重启摄像机并检查固件。", not_recorded: "请启动录像。" },
  checkItems: { reached: "无法连接", picture: "画面异常", sound: "无声音", clock: "时钟不准", recorded: "未在录像", continuous: "近十分钟有缺失", signed: "签名不符" },
  checkAdvice: { reached: "请检查电源和网线。", picture: "请在巡查墙上查看画面。", sound: "请检查拾音器。", clock: "请设置校时服务器（NTP）。", recorded: "请启动录像。", continuous: "请在时间轴上查看原因。", signed: "请联系系统管理员。" },
  probe: {
    unreachable: f("连接不上。", "请检查地址、端口、电源和网线。"), timeout: f("没有及时应答。", "请重启摄像机，或检查到那里的网络。"), wrong_password: f("用户名或密码错误。", "请使用取流账号（不是网页登录账号）重新填写。"), not_found: f("这个路径下没有码流。", "请查阅摄像机说明书中的取流路径。"), not_rtsp: f("那里应答的不是 RTSP。", "RTSP 端口一般是 554。"), no_video: f("码流里没有画面。", "请填写视频流的路径。"), codec_not_supported: f("编码格式无法使用。", "请改为 H.264 或 H.265。"), substream_not_h264: f("子码流不是 H.264。", "请将子码流改为 H.264，否则浏览器无法显示。"), no_substream: f("没有子码流。", "请填写子码流地址：巡查墙用它显示。"), no_keyframe: f("没有及时收到关键帧。", "请将关键帧间隔设为 1 至 2 秒。"), keyframes_far_apart: f("关键帧间隔太长。", "请将关键帧间隔设为 1 至 2 秒，画面出得更快。"), b_frames: f("摄像机发送 B 帧：电视墙上每秒画面会变少，录像不受影响。", "请在摄像机上将 B 帧数设为 0，或将编码档次设为 Baseline。"), clock_off: f("时钟偏差超过一秒。", "请设置校时服务器（NTP）。"), no_clock: f("没有提供时钟。", "如有校时功能，请设置校时服务器（NTP）。"),
  },
  refusals: { not_allowed: "您无权查看这台摄像机", not_now: "当前时段不允许查看", needs_second_factor: "需要双因素验证", not_playable: "只有 H.265、没有 H.264 子码流，浏览器无法显示", sound_not_playable: "这台摄像机的声音无法播放：格式不支持，或数据损坏", no_line: "这个画面没有线路", busy: "服务器忙，正在重试" },
  closed: {
    signed_out: w("您已退出登录。", "录像照常进行。", "请重新登录。"),
    not_authorised: w("您现在无权使用巡查墙。", "录像照常进行。", "请重新登录，或联系管理员。"),
    needs_second_factor: w("需要双因素验证。", "录像照常进行。", "请输入验证码，或使用安全密钥。"),
    version_mismatch: w("这个页面比服务器旧。", "您的布局都在。", "请刷新页面。"),
    protocol_error: w("页面出错，连接已断开。", "录像照常进行，您的布局都在。", "请重试；仍不行请刷新页面。"),
  },
  tree: { more: "太多，显示不下：请输入名称，或收起地点。", title: "按地点排列的摄像机", search: "搜索摄像机", placeholder: "摄像机或地点", nothing: "没有这个名字的摄像机。", none: "还没有摄像机。", overview: "总览这个地点" },
  tile: {
    empty: "空", loading: "画面马上就到", still: "画面停住", noPicture: "现在没有画面可以保存。", saved: (name) => `已保存 ${name}`, sound: "听这个画面的声音", snapshot: "抓图", backMinute: "回看一分钟", toLive: "回到实时", enlarge: "放大", shrink: "回到巡查墙", clear: "清空这一格",
    delay: "从摄像机到这里的延迟", delayPart: "从服务器到这里的延迟，不含摄像机到服务器的一段", noSound: "这台摄像机没有声音", mayNotListen: "您无权听这台摄像机的声音", mute: "声音无法播放", skipped: (time) => `其中 ${time} 没有录像，从有录像处开始`,
    recording: "正在录像", notRecording: "应当录像，但没有在录", notRecordingShort: "未录像", limited: "线路窄", substream: "子码流", keyframes: "关键帧", mainNotPlayable: "主码流是 H.265，这个浏览器无法播放，现在显示子码流；录像保存的是主码流。", h265Substream: "H.265 → 子码流",
    replay: "录像", live: "实时画面", minute: "1 分钟", noRecording: "此刻无录像", goesOn: (time) => `${time} 起有录像`, unsupported: "这个浏览器无法播放这段录像", replayRefused: "您无权回放这段录像", replayBroken: "录像暂时无法加载", again: "重试",
  },
  wall: {
    title: "巡查墙", leave: "离开巡查墙", tree: "摄像机", sizes: "画面数", tilesOf: (n) => `${n} 画面`, tileNo: (n) => `第 ${n} 格`, layouts: "布局", noLayouts: "还没有保存过布局。", saveAs: "存为新布局", saveOver: (name) => `保存“${name}”`, rename: "改名", layoutName: "布局名称", layoutSaved: (name) => `已保存“${name}”`, layoutDeleted: (name) => `已删除“${name}”`, clearAll: "清空所有画面", cleared: "已清空所有画面",
    overview: "总览", overviewEnd: "回到巡查墙", previousPage: "上一页", nextPage: "下一页", full: "全屏", secondScreen: "打开另一块屏幕", tooMany: (n) => `共 ${n} 台摄像机，只显示前 64 台。用“总览”可分页查看全部。`, replaysMax: (n) => `同时回看最多 ${n} 路：请减少画面，或只选一路。`,
    reconnecting: "正在重新连接", offline: "没有网络", blocked: "没有画面：UDP 被拦截", blockedLead: "网络不放行到本服务器的 UDP，请联系网络管理员放行。", forbidden: "没有画面：浏览器禁用了 WebRTC", forbiddenLead: "这个浏览器不让网页接收画面。请停用禁止 WebRTC 的扩展等，或换一个浏览器。", playSound: "播放声音",
    keysTitle: "巡查墙快捷键",
    keys: { "← ↑ → ↓": "移动选择", "1 … 7": "1、4、9、16、25、36、64 画面", "8 9": "第一、第二个布局", Enter: "放大 / 还原", Space: "轮巡暂停 / 继续；录像暂停 / 播放", PageUp: "上一页", PageDown: "下一页", S: "抓图", M: "听这个画面的声音", F: "全屏", B: "回看一分钟", "Shift B": "全部画面回看一分钟", L: "回到实时", A: "确认最新的告警", T: "摄像机列表", R: "告警栏", "/": "搜索摄像机", Delete: "清空这一格", "?": "显示这张表" },
  },
  tour: { title: "轮巡", place: "轮巡范围", groups: "类别", allGroups: "不选即为全部类别。", dwell: "每页停留（秒）", sum: (cameras, pages) => `${cameras} 台摄像机，共 ${pages} 页`, start: "开始轮巡", hold: "暂停", goOn: "继续", end: "结束轮巡", held: "已暂停", alarm: "告警", waiting: (n) => `${n} 个等待`, space: "空格" },
  alarms: {
    title: "告警", unknown: "连接中断，暂时不知道有无告警", calm: "没有未恢复的告警", none: "没有告警", noneLead: "系统一直在检测每台摄像机，出现异常会显示在这里。", openCount: (n) => `${n} 个待确认`, mute: "静音 10 分钟", unmute: "打开告警声", acknowledge: "确认", note: "备注", noteText: "情况与处理", handOver: "转交", handTo: "转交给（姓名）", handedTo: (name) => `已转交 ${name}`, takenBy: (name) => `${name} 已确认`, nobody: "无人处理", takenElsewhere: "其他地点已确认", bring: "在墙上显示", watch: "查看录像",
    fault: "异常", since: "开始时间", handled: "处理", still: (time) => `已 ${time}`, over: (time, lasted) => `至 ${time}，共 ${lasted}`, onlyOpen: "未恢复", all: "全部", allFaults: "全部异常",
  },
  thresholds: {
    button: "告警阈值", title: (place) => `告警阈值：${place}`, watched: "以下异常发出告警", tone: "在巡查墙上响铃", inherit: "沿用上级地点的设置", saved: (group) => `已保存告警阈值：${group}`,
    numbers: { silent_s: "无数据超过（秒）", sharpness_percent: "清晰度低于平时的（%）", moved_percent: "画面移动超过宽度的（%）", clock_ms: "时钟偏差超过（毫秒）", rate_percent: "码率、帧率偏差超过（%）" },
  },
  webhooks: { title: "告警推送", lead: "告警以 JSON 推送到以下地址，用 HMAC-SHA-256 签名，放在 x-lectern-signature。", none: "还没有推送地址。", url: "推送地址", add: "添加", secret: "密钥只显示这一次，请保存到接收方。", delivered: (time) => `最近送达 ${time}`, failed: (n) => `推送不到，${n} 条待重试`, never: "还没有推送过", removeTitle: "删除这个推送地址吗？" },
  cameras: {
    title: "摄像机", add: "添加摄像机", added: (name) => `已添加 ${name}，正在连接`, edit: "修改", saved: (name) => `已保存 ${name}`, deleted: (name) => `已删除 ${name}`, none: "还没有摄像机", noneLead: "添加第一台，或导入整个考点的清单。", noneViewer: "您可以查看的摄像机会出现在这里。", name: "名称", namePlaceholder: "例如：第01考场 前", place: "地点", group: "类别", code: "编码", codeHint: "GB/T 28181 的 20 位编码，没有可不填。",
    mainUrl: "主码流地址", subUrl: "子码流地址", subHint: "巡查墙需要它：小画面，H.264。", username: "用户名", password: "密码", passwordKept: "已保存，需要更换时再填", transport: "传输方式", tcp: "TCP（更稳）", kbpsMax: "码率上限（kbit/s）", record: "录像", badField: "这一项不能这样填。",
    test: "测试", bFrames: "有 B 帧", testing: "正在测试摄像机", testingLead: "正在连接并等待第一幅画面，最长约半分钟。", picture: "摄像机画面", usable: "这台摄像机可以使用", unusable: "这台摄像机还不能使用", fps: (n) => `${n} 帧/秒`, keyframe: (n) => `每 ${n} 秒一个关键帧`, clockOff: (off) => `时钟${off}`, withoutSub: "没有子码流时，只有主码流为 H.264 才能上墙，且占用全部码率。",
    state: "状态", streams: "码流", clock: "时钟", recording: "录像", notRecorded: "不录像", copy: "照此再添加一台", start: "启用", stop: "停用", started: (name) => `正在连接 ${name}`, stopped: (name) => `已停用 ${name}`, startRecord: "开始录像", stopRecord: "停止录像", recordOn: (name) => `${name} 已开始录像`, recordOff: (name) => `${name} 已停止录像`, sum: (all, live) => `共 ${all} 台，在线 ${live} 台`, onlyWrong: (n) => `${n} 台不在线`,
  },
  importing: { title: "导入摄像机", lead: "CSV 文件，每行一台摄像机，第一行是列名。", place: "导入到", submit: "导入", dry: "只检查文件", dryGood: (n) => `文件无误：将添加 ${n} 台摄像机。现在还没有添加。`, created: (n) => `已添加 ${n} 台摄像机` },
  importErrors: { csv_bad_address: "不是 rtsp:// 地址", csv_bad_camera_code: "不是 20 位数字", csv_camera_name_taken: "与这个地点的另一台摄像机同名", csv_camera_code_taken: "与另一台摄像机的编码相同" },
  timeline: {
    title: "时间轴", leave: "离开时间轴", date: "日期", dayBefore: "前一天", dayAfter: "后一天", none: "还没有选择摄像机", noneLead: "选择摄像机，查看它们一天的录像。", rows: (n) => `${n} 台摄像机`, rowsMax: (n) => `最多 ${n} 行。`, playingMax: (n) => `最多同步播放 ${n} 路：请先隐藏一路。`, showPicture: "显示画面", hidePicture: "隐藏画面", removeRow: "移除这一行", controls: "播放控制", play: "播放", pause: "暂停", frameBack: "上一帧", frameOn: "下一帧", previousGap: "上一处缺失", nextGap: "下一处缺失", nextAlarm: "下一个告警", rate: "倍速", soundOn: "打开声音", soundOff: "关闭声音", soundOf: (name) => `声音：${name}`, soundStates: { rate: "1× 时有声音", gap: "此刻没有录到声音", unsupported: "这个浏览器不能播放，可在导出文件中听取", refused: "您无权听这段声音", broken: "声音暂时无法加载" }, now: "到最新画面", zoomIn: "放大时间", zoomOut: "缩小时间", markIn: "选段起点", markOut: "选段终点", markFirst: "请先选一段：按 I 和 O，或按住 Shift 拖动。",
    gap: (cause, range) => `无录像：${cause} ${range}`, gapOf: (stream, cause, range) => `无${stream}：${cause} ${range}`, gapsMany: (n, first) => `${n} 处缺失，第一处：${first}`, skipped: (time) => `已跳过无录像的 ${time}`,
    bookmark: "书签", bookmarkText: "说明（可不填）", bookmarkDelete: "按 Delete 删除", bookmarkDeleted: "书签已删除", setBookmark: "添加书签", hold: "留存锁定", held: "锁定人", holdLead: "锁定的录像不会被任何规则清除；解除需要两人同意。", holdWhy: "锁定原因", setHold: "锁定录像", holdSet: "录像已锁定。", recorded: "有录像", recordedSub: "仅子码流", elsewhere: "此时摄像机在别处或属于别的分组，您无权查看", gapKey: "缺失", alarmKey: "告警", noMore: { alarm: "这一天没有更多告警。", gap: "这一天没有更多缺失。", bookmark: "这一天没有更多书签。" },
    keysTitle: "时间轴快捷键",
    keys: { Space: "播放 / 暂停", "← →": "后退 / 前进 5 秒", "Shift ← →": "后退 / 前进 1 分钟", ", .": "上一帧 / 下一帧", "[ ]": "减速 / 加速", "+ -": "缩放时间", "↑ ↓": "换一行", Enter: "放大 / 还原", "N G K": "下一个告警、缺失、书签；加 Shift 为上一个", "I O": "选段起点、终点", B: "书签", H: "留存锁定", E: "导出", S: "抓图", M: "声音", T: "摄像机列表", "Home End": "当天开始、最新画面", F: "全屏", "?": "显示这张表" },
  },
  exports: {
    title: "导出", create: "导出证据", start: "开始导出", started: "已开始导出。", reason: "用途（印在说明单上）", lead: "文件包含收到的原始画面、校验链、签名、缺失、时钟偏差和查看人名单。", notAllowed: "您无权导出这些摄像机的录像。", fromTimeline: "到时间轴选段", none: "还没有导出", noneLead: "在时间轴上选一段，然后按“导出证据”。", askedBy: (name) => `${name} 申请于`, gaps: (n) => `${n} 处缺失`, expires: (time) => `保留至 ${time}`, fetch: "下载", cancel: "取消", removeTitle: "删除这份导出吗？", removeLead: "文件将被删除。录像仍在，可以重新导出。", readyNotice: "一份导出已完成。",
    states: { waiting: "排队中", running: "正在写入", ready: "已完成", failed: "未能写入", cancelled: "已取消" },
    failures: { disk_full: "磁盘已满：请清理后重新导出。", nothing_recorded: "这一段没有录像。", too_large: "这一段太长：请分段导出。", hung_elsewhere: "这一段含摄像机在其他位置时的录像：请缩短后重新导出。" },
    verifyTitle: "如何核验导出的文件", verifyLead: "任何人在任何电脑上都能核验，无需本服务器。结果为 AUTHENTIC（真实），或指出哪台摄像机哪一秒有何问题。",
  },
  check: {
    title: "考前检查", place: "考点", start: "一键检查全部摄像机", again: "重新检查", running: (n) => `正在检查 ${n} 台摄像机`, print: "打印报告", noneLead: "请先添加考点的摄像机。", sheetTitle: (place) => `${place}网上巡查系统考前检查报告`, allGreen: (n) => `全部 ${n} 台摄像机正常`, notGreen: (n, all) => `${all} 台摄像机中有 ${n} 台不正常`, at: "检查时间", by: "检查人", disk: "录像存储空间", hours: (n) => `可录 ${n} 小时`, number: "序号", result: "检查结果", green: "正常", items: "每台检查：连接、画面、声音、时钟、录像、近十分钟无缺失、校验链与签名。", signInspector: "检查人（签字）：", signSite: "考点负责人（签字）：", signDate: "日期：　　　年　　月　　日",
  },
  retention: {
    title: "录像留存", disk: "磁盘", steady: "按目前的速度，磁盘不会写满。", fullIn: (n) => (n < 1 ? "按目前的速度，不到一天就会写满" : `按目前的速度，${n} 天后写满`), usedFree: (used, free) => `已用 ${used}，剩余 ${free}`, rules: "录像保留多久", rulesLead: (n) => `没有规则时保留 ${n} 天。离摄像机最近的上级规则有效。`, days: "天数", daysN: (n) => `${n} 天`, set: "设置规则", clear: "删除规则", saved: "已保存", fewerTitle: "缩短保留天数吗？", fewerLead: (group, before, after) => `${group}：${before} 天 → ${after} 天。更早的录像将永久清除，已锁定的除外。`, fewerYes: "缩短天数",
    releaseFailed: (time: string, why: string) => `解除失败（${time}）：${why}。锁定仍然有效；排除原因后可再次同意。`, holds: "留存锁定", holdsLead: "锁定的录像不会被任何规则清除，解除需要两人同意。", noHolds: "这里没有锁定的录像。", range: "时段", why: "原因", by: "锁定人", ask: "申请解除", agree: "同意并解除", keep: "继续锁定", other: "需要另一人同意", askedBy: (name) => `${name} 申请解除`, askTitle: "申请解除这项锁定吗？", askLead: "需要另一人同意，在此之前锁定不变。", agreeTitle: "解除这项锁定吗？", agreeLead: (name) => `${name} 已申请解除。解除后录像按留存规则清除，此操作无法撤销。`, asked: "已申请，需要另一人同意。", released: "锁定已解除。", kept: "继续锁定。",
  },
  audit: {
    title: "审计", allPlaces: "全部地点", allCameras: "全部摄像机", allActions: "全部操作", camera: "摄像机", action: "操作", from: "起", to: "止", login: "用户名", who: "人员", when: "时间", detail: "详情", ofPlace: "所属", live: "实时（各画面合计）", played: "回放", exports: "导出", last: "最近一次", sumTitle: "谁看过、看了多久", entries: "记录", none: "这段时间没有记录", nobody: "这段时间没有人查看这个地点。", onlyThis: "只看此人", server: "服务器", export: "导出日志", chain: (n) => `共 ${n} 条，校验链末端：`, copyHead: "复制校验链末端", verify: "核验导出的日志：",
  },
  auditActions: { tile_opened: "打开画面", tile_closed: "关闭画面", listened: "监听声音", played: "回放录像", snapshot: "抓图", export_asked: "申请导出", export_fetched: "下载导出", export_removed: "删除导出", bookmark_set: "添加标记", bookmark_removed: "删除标记", refused: "拒绝", signed_in: "登录", signed_out: "退出登录", sign_in_failed: "登录失败", factor_shown: "通过双因素验证", factor_failed: "双因素验证失败", factor_changed: "双因素设置变更", rights_changed: "权限变更", camera_changed: "摄像机变更", hold_set: "留存锁定", hold_release_asked: "申请解除锁定", hold_released: "解除锁定", policy_changed: "规则变更", footage_removed: "按规则清除录像", alarm_handled: "处理告警", pre_exam_check: "考前检查", audit_read: "查看审计", audit_exported: "导出审计", started: "服务器启动" },
  auditDetails: { "release failed": "解除失败：录制端拒绝", hung_elsewhere: "当时摄像机在别处", clock_doubted: "服务器时钟存疑", "moved away": "移走", "moved here": "移来", unknown_camera: "没有这台摄像机", unknown_place: "没有这个地点", sealed_room: "试卷保密室", rule_forbids: "规则禁止", outside_hours: "不在允许时段", separated_administrator: "三员之一，不得查看", removed: "已移除", not_own: "不是本人的", wrong_range: "超出授权时段，或那里没有录像", no_role: "没有相应角色", unknown_account: "没有这个账号", bad_path: "没有这个地址", sum: "汇总", not_allowed: "无权限", not_now: "不在允许时段", needs_second_factor: "未通过双因素验证", grant_expired: "凭证过期", grant_foreign: "他人凭证", grant_invalid: "凭证无效", forbidden: "无权限", not_signed_in: "未登录", added: "添加", changed: "修改", restored: "恢复", tested: "测试", started: "启用", stopped: "停用", "recording started": "开始录像", "recording stopped": "停止录像", acknowledged: "确认", "handed over": "转交", noted: "备注", "taken back": "撤回申请", "webhook made": "添加推送地址", "webhook removed": "删除推送地址", "further pages": "后续页", "of a test": "测试时", sound: "声音", "not done": "未执行", hold_changed: "锁定状态已变" },
  auditRules: { clock: "确认服务器时钟", retention: (group, days) => (days === null ? `${group}：删除留存规则` : `${group}：保留 ${days} 天`), thresholds: (group, removed) => (removed ? `${group}：删除告警阈值` : `${group}：修改告警阈值`), imported: (n) => `导入 ${n} 台` },
  clock: {
    ahead: (by) => `服务器时钟比应有的时间快了${by}。`, behind: (by) => `服务器时钟比应有的时间慢了${by}。`, since: (since, now) => `自 ${since} 起如此，现在显示 ${now}。`, works: (counted) => `录像照常进行。不会因时钟跳变而清除录像：保留天数按 ${counted} 计算。`, never: "系统不会自行采信这个时钟。", byItself: (left) => `在此时钟下再录满${left}后自行采信。`, next: "请校准服务器时钟（NTP），校准后本提示自行消失。如果时钟本来就是对的，请在这里确认，或在服务器上运行：", nextOther: "请系统管理员校准服务器时钟，或在留存页面确认，或在服务器上运行：", confirm: "时钟正确", title: "服务器时钟正确吗？", lead: (now) => `它显示 ${now}，请与可信的时钟核对。确认后约一分钟起，按此时钟超过保留天数的录像会被永久清除。`, yes: "正确，按它计算", confirmed: "已确认：一分钟内改按此时钟计算保留天数。",
  },
  factor: {
    title: "双因素验证", lead: "考试画面需要再次确认是您本人。", code: "验证器上的验证码", recoveryHint: "手机不在身边：请输入恢复码。", submit: "继续", useKey: "使用安全密钥", setupTitle: "双因素验证", setupLead: "除密码外的第二重确认，查看考试画面必须有它。", neededLead: "您的账号可以查看考试画面，除密码外还需要第二重确认。请现在设置。", app: "验证器", appOff: "例如腾讯身份验证器、微软验证器，或密码管理器里的验证码。", appOn: (left) => `已设置，剩 ${left} 个恢复码。`, setUp: "设置", newCodes: "换新恢复码", recoveryCodes: "恢复码", codesLeft: (left) => `剩 ${left} 个。`, removeApp: "移除验证器", removeLead: "验证码和恢复码都会失效，之后查看考试画面需要其他双因素方式。", key: "安全密钥", keyLead: "USB 密钥，或本机指纹。", keyUnsupported: "这个浏览器或网址不能使用密钥（需要 https 和域名，不能是 IP 地址）。", addKey: "添加安全密钥", keyName: "密钥名称", touchKey: "继续，然后触碰密钥", recoveryCode: "密钥不在身边：恢复码", keyWaits: "请按浏览器的提示触碰密钥或验证指纹…", keyStop: "不等了", removeKeyLead: "它不能再用于双因素验证；如果它是唯一的方式，恢复码也会失效。", removeKey: (name) => `移除 ${name}`, finish: "完成",
    appTitle: "设置验证器", appStep1: "在手机上打开验证器，选择添加账号。", appStep2: "扫描这个二维码，或输入密钥。", appStep3: "输入验证器现在显示的六位数字。", appConfirm: "确认", qr: "验证器二维码", secret: "密钥", recoveryTitle: "请保存这些恢复码", recoveryLead: "只显示这一次。手机不在时，每个可以用一次。请打印，或保存在密码管理器里。", print: "打印", kept: "我已保存", on: "双因素验证已设置。", keyAdded: (name) => `已添加 ${name}。`,
    keyProblems: {
      unanswered: w("没有收到安全密钥的确认。", "什么都没有改变。", "请插好已登记的密钥，再试一次并触碰它；或改用其他方式。"),
      known: w("这个密钥已经添加过。", "它仍然可以使用。", "请换一个密钥，或直接完成。"),
      refused: w("服务器没有接受这个安全密钥。", "密码仍然有效，账号没有被锁定。", "请用已登记的密钥或恢复码；仍不行请让管理员重置双因素验证。"),
    },
  },
  rules: {
    title: (name) => `${name} 的查看规则`, lead: "规则在角色之外另行允许、限定时段或禁止。多条规则同时适用时，以最严的为准。", none: "没有规则：只由角色决定。", always: "任何时间", add: "添加规则", scope: "范围", effect: "规则", deeds: "操作", from: "起", to: "止", when: "限定时段（都不填为任何时间）", remove: "删除规则", chooseDeed: "请至少选一项。",
    effects: { allow: "允许", limit: "只在时段内允许", deny: "禁止" },
    deedNames: { see: "列表中可见", live: "看实时", listen: "听声音", play: "看回放", snapshot: "抓图", export: "导出" },
  },
  separation: { onSince: (time) => `自 ${time} 起实行三员分立。`, end: "申请结束", agree: "同意结束", endAsked: (name) => `${name} 申请结束三员分立，需要系统管理员与安全管理员中的另一位同意。`, title: "三员分立", lead: "系统、安全、审计由三人分别负责，任何人不能兼任。您的账号移交后即停用。之后只有系统管理员与安全管理员共同同意才能结束。", system: "系统管理员：摄像机、留存、服务器", security: "安全管理员：人员与权限", audit: "审计管理员：日志", login: "用户名", differ: "请填写三位不同的人。", submit: "移交并停用我的账号", sureTitle: "现在移交吗？", sureLead: (system, security, audit) => `由 ${system}、${security}、${audit} 接管。您将退出登录，本账号停用。` },
  problems: {
    wrong_code: w("验证码不对。", "账号没有被锁定。", "请等下一个验证码再输入，并检查手机时间。"),
    name_taken: w("这个地点已有同名的摄像机。", "您写的内容还在。", "请换一个名称。"),
    release_by_another: w("申请人不能自己同意解除。", "锁定不变。", "需要另一位有权限的人同意。"),
    hung_elsewhere: w("那段时间摄像机不在这里。", "它在别处录下的归那里的人查看；在您这里录下的照常可看。", "请选择它在您这里的时段，或请对两处都有权限的人查看。"),
    clock_doubted: w("服务器时钟存疑，暂时不能这样做。", "什么都没有改，录像照常。", "时刻不可靠时，不移动摄像机，也不为单台摄像机添加允许规则。请先校准时钟，或在留存页面确认时钟，再试一次。"),
    release_failed: w("这项锁定没能解除。", "锁定仍然有效，录像不会被清除；两人的操作已记入审计日志。", "原因见列表；排除后请再次同意。"),
    hold_changed: w("这项锁定的状态刚刚有变化。", "没有申请，也没有解除；列表已更新。", "请查看后再决定。"),
    nothing_recorded: w("这一段没有录像。", "其他时段可以播放。", "请在时间轴上查看有录像的时段。"),
  },
};
