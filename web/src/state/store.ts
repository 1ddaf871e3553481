/** A store: one state, replaced as a whole; who watches is told at most once per microtask. */
export interface Store<S> {
  get(): Readonly<S>;
  /** Replaces the named parts. Called by controllers with what the server or the browser confirmed, never by elements. */
  commit(part: Partial<S>): void;
  subscribe(watcher: (state: Readonly<S>) => void): () => void;
}

export function createStore<S extends object>(initial: S): Store<S> {
  let state = initial;
  let told = true;
  const watchers = new Set<(state: Readonly<S>) => void>();
  return {
    get: () => state,
    commit(part) {
      let changed = false;
      for (const key in part) if (!Object.is(part[key], state[key])) changed = true;
      if (!changed) return;
      state = { ...state, ...part };
      if (!told) return;
      told = false;
      queueMicrotask(() => {
        told = true;
        for (const watcher of [...watchers]) watcher(state);
      });
    },
    subscribe(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}
