//! The one tree of places: nation → province → city → district → school or exam site → class.
//!
//! Belongs here: levels, ancestry, what may hang under what. Does not belong here: rights ([`crate::rights`]), storage.

use lectern_media::PlaceId;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The levels of the tree. A level may be skipped (a school directly under a city), never climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nation.
    Nation,
    /// Province.
    Province,
    /// City.
    City,
    /// District or county.
    District,
    /// School.
    School,
    /// Exam site.
    ExamSite,
    /// Class: a group of pupils with its own classroom.
    Class,
}

impl Level {
    /// Every level, highest first.
    pub const ALL: [Self; 7] =
        [Self::Nation, Self::Province, Self::City, Self::District, Self::School, Self::ExamSite, Self::Class];

    /// Distance from the root: 0 for the nation, 5 for a class. Schools and exam sites stand beside each other.
    #[must_use]
    pub const fn depth(self) -> u8 {
        match self {
            Self::Nation => 0,
            Self::Province => 1,
            Self::City => 2,
            Self::District => 3,
            Self::School | Self::ExamSite => 4,
            Self::Class => 5,
        }
    }

    /// Whether a place of this level may hang directly under one of level `parent`.
    #[must_use]
    pub const fn fits_under(self, parent: Self) -> bool {
        self.depth() > parent.depth()
    }
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceNode {
    /// Id.
    pub id: PlaceId,
    /// Parent; the root has none.
    pub parent: Option<PlaceId>,
    /// Level.
    pub level: Level,
    /// Name, 1 to 100 characters.
    pub name: String,
}

/// Why nodes do not make a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The parent is not in the tree.
    #[error("place {place} hangs under {parent}, which does not exist")]
    UnknownParent {
        /// The child.
        place: PlaceId,
        /// The missing parent.
        parent: PlaceId,
    },
    /// A place may only hang under a higher level (which also excludes cycles).
    #[error("place {place} cannot hang under its parent: its level is not below the parent's")]
    LevelNotBelow {
        /// The child.
        place: PlaceId,
    },
    /// Two places without parent.
    #[error("the tree has a second root, {place}")]
    SecondRoot {
        /// The second one.
        place: PlaceId,
    },
}

/// The tree, as a snapshot that is cheap to ask. At most as deep as there are levels, so every walk is short.
#[derive(Debug, Clone, Default)]
pub struct PlaceTree {
    nodes: HashMap<PlaceId, PlaceNode>,
    root: Option<PlaceId>,
}

impl PlaceTree {
    /// Builds the tree from its nodes, in any order.
    ///
    /// # Errors
    /// If a parent is missing, a level does not fit, or there are two roots.
    pub fn build(nodes: impl IntoIterator<Item = PlaceNode>) -> Result<Self, TreeError> {
        let nodes: HashMap<_, _> = nodes.into_iter().map(|n| (n.id, n)).collect();
        let mut root = None;
        for node in nodes.values() {
            match node.parent {
                None if root.is_some() => return Err(TreeError::SecondRoot { place: node.id }),
                None => root = Some(node.id),
                Some(parent) => {
                    let above = nodes.get(&parent).ok_or(TreeError::UnknownParent { place: node.id, parent })?;
                    if !node.level.fits_under(above.level) {
                        return Err(TreeError::LevelNotBelow { place: node.id });
                    }
                }
            }
        }
        Ok(Self { nodes, root })
    }

    /// The root, if there is any place at all.
    #[must_use]
    pub fn root(&self) -> Option<PlaceId> {
        self.root
    }

    /// A node.
    #[must_use]
    pub fn get(&self, id: PlaceId) -> Option<&PlaceNode> {
        self.nodes.get(&id)
    }

    /// All nodes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &PlaceNode> {
        self.nodes.values()
    }

    /// The place itself and everything above it, lowest first; nothing if it is unknown.
    pub fn upward(&self, id: PlaceId) -> impl Iterator<Item = &PlaceNode> {
        std::iter::successors(self.nodes.get(&id), |n| n.parent.and_then(|p| self.nodes.get(&p)))
    }

    /// Whether `place` is `above` or lies below it. An unknown place lies nowhere.
    #[must_use]
    pub fn within(&self, place: PlaceId, above: PlaceId) -> bool {
        self.upward(place).any(|n| n.id == above)
    }

    /// The name of the school (or exam site) that `place` belongs to; of the place itself when it is higher up.
    #[must_use]
    pub fn school_name(&self, place: PlaceId) -> Option<&str> {
        self.upward(place)
            .find(|n| matches!(n.level, Level::School | Level::ExamSite))
            .or_else(|| self.get(place))
            .map(|n| n.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(parent: Option<PlaceId>, level: Level, name: &str) -> PlaceNode {
        PlaceNode { id: PlaceId::generate(), parent, level, name: name.into() }
    }

    #[test]
    fn a_level_fits_only_under_a_higher_one() {
        for child in Level::ALL {
            for parent in Level::ALL {
                assert_eq!(child.fits_under(parent), child.depth() > parent.depth(), "{child:?} under {parent:?}");
            }
        }
    }

    #[test]
    fn ancestry_and_school_names() {
        let nation = node(None, Level::Nation, "全国");
        let city = node(Some(nation.id), Level::City, "成都");
        let school = node(Some(city.id), Level::School, "第一小学");
        let class = node(Some(school.id), Level::Class, "三年级二班");
        let tree = PlaceTree::build([class.clone(), school.clone(), city.clone(), nation.clone()]).unwrap();
        assert!(tree.within(class.id, nation.id) && tree.within(class.id, class.id));
        assert!(!tree.within(city.id, school.id), "a city is not within its school");
        assert!(!tree.within(PlaceId::generate(), nation.id), "an unknown place lies nowhere");
        assert_eq!(tree.school_name(class.id), Some("第一小学"));
        assert_eq!(tree.school_name(city.id), Some("成都"));
        assert_eq!(tree.root(), Some(nation.id));
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let nation = node(None, Level::Nation, "全国");
        let orphan = node(Some(PlaceId::generate()), Level::City, "?");
        let climber = node(Some(nation.id), Level::Nation, "?");
        let second = node(None, Level::Nation, "?");
        assert!(matches!(PlaceTree::build([nation.clone(), orphan]), Err(TreeError::UnknownParent { .. })));
        assert!(matches!(PlaceTree::build([nation.clone(), climber]), Err(TreeError::LevelNotBelow { .. })));
        assert!(matches!(PlaceTree::build([nation, second]), Err(TreeError::SecondRoot { .. })));
    }
}
