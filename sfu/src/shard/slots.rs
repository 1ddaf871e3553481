//! A table whose entries have short keys: an index and a generation, so that the key of a removed entry finds nothing.

/// The key of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The entry's place; another entry may take it later.
    pub(crate) const fn index(self) -> u32 {
        self.index
    }

    /// How many entries had this place before.
    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }
}

/// The table.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Inserts what `make` builds from its key.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push((0, None));
            (self.entries.len() - 1) as u32
        });
        let entry = &mut self.entries[index as usize];
        let key = Key { index, generation: entry.0 };
        entry.1 = Some(make(key));
        key
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize).filter(|e| e.0 == key.generation)?;
        let value = entry.1.take()?;
        entry.0 = entry.0.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.entries.get(key.index as usize).filter(|e| e.0 == key.generation)?.1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries.get_mut(key.index as usize).filter(|e| e.0 == key.generation)?.1.as_mut()
    }

    /// The entry at `index` now, with its key.
    pub(crate) fn at(&self, index: u32) -> Option<(Key, &T)> {
        let (generation, value) = self.entries.get(index as usize)?;
        Some((Key { index, generation: *generation }, value.as_ref()?))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.iter().map(|(k, _)| k)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(i, (generation, v))| Some((Key { index: i as u32, generation: *generation }, v.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_removed_entry_finds_nothing() {
        let mut s = Slots::new();
        let a = s.insert_with(|_| 'a');
        let b = s.insert_with(|_| 'b');
        assert_eq!((s.remove(a), s.remove(a)), (Some('a'), None));
        let c = s.insert_with(|_| 'c');
        assert_eq!(c.index(), a.index(), "places are used again");
        assert_eq!((s.get(a), s.get(b), s.get(c), s.len()), (None, Some(&'b'), Some(&'c'), 2));
        assert_eq!(s.keys().collect::<Vec<_>>(), [c, b]);
    }
}
