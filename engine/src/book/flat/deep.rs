//! Levels beyond the best few of a side, in order: B+ trees whose nodes come from one pool.
//!
//! ```text
//!   root, height h     [ bound | bound | ... | MAX ]     bound: largest key below that child
//!                         |        |            |
//!   height 0           [k k k ][ k k k ] ... [k k k ]    key -> level id, ascending; the best is the last of the last
//! ```
//!
//! A node is 128 bytes: up to 15 keys, their values, and the length. Keys past the length are `u32::MAX`, so that one
//! comparison of all 16 lanes gives the place of a key without a loop that branches.
//!
//! Only the best end is ever removed from ([`Deep::take_best`]) and [`Deep::retain`] rebuilds a tree, so no node but the last of each
//! height is less than 7 full: `n` keys need at most `n / 4 + 1` nodes.
//!
//! The last bound of an inner node is always `u32::MAX`: whatever is better than all goes there.

/// Keys of a node.
pub(super) const FAN: usize = 15;
const LANES: usize = FAN + 1;
const NO_NODE: u32 = u32::MAX;
/// Nodes that one insertion may need: one a height and a new root.
const INSERT_NODES: usize = 12;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Node {
    /// Ascending; `u32::MAX` from the length on.
    keys: [u32; LANES],
    /// Values (level ids or child nodes); the last lane is the length.
    vals: [u32; LANES],
}

impl Node {
    const EMPTY: Node = Node { keys: [u32::MAX; LANES], vals: { [0; LANES] } };

    fn len(&self) -> usize {
        self.vals[FAN] as usize
    }

    fn set_len(&mut self, len: usize) {
        self.vals[FAN] = len as u32;
    }

    fn insert(&mut self, at: usize, key: u32, val: u32) {
        let len = self.len();
        self.keys.copy_within(at..len, at + 1);
        self.vals.copy_within(at..len, at + 1);
        self.keys[at] = key;
        self.vals[at] = val;
        self.set_len(len + 1);
    }

    /// Moves the entries from `at` on to a new node.
    fn split_off(&mut self, at: usize) -> Node {
        let len = self.len();
        let mut right = Node::EMPTY;
        right.keys[..len - at].copy_from_slice(&self.keys[at..len]);
        right.vals[..len - at].copy_from_slice(&self.vals[at..len]);
        right.set_len(len - at);
        self.keys[at..len].fill(u32::MAX);
        self.set_len(at);
        right
    }
}

/// How many of 16 keys are smaller than `key`: its place among them.
#[inline]
pub(super) fn rank(keys: &[u32; LANES], key: u32) -> usize {
    keys.iter().map(|k| u32::from(*k < key)).sum::<u32>() as usize
}

/// The tree of one side.
#[derive(Clone, Copy)]
pub(super) struct Tree {
    root: u32,
    height: u32,
}

impl Tree {
    pub(super) const EMPTY: Tree = Tree { root: NO_NODE, height: 0 };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.root == NO_NODE
    }
}

/// The pool of all trees' nodes. See the module.
pub(super) struct Deep {
    nodes: Vec<Node>,
    free: u32,
    free_len: usize,
}

impl Deep {
    /// Room for `keys` keys spread over `trees` trees in any way.
    pub(super) fn new(keys: usize, trees: usize) -> Deep {
        let nodes = keys / 4 + trees + 16 * INSERT_NODES;
        Deep { nodes: Vec::with_capacity(nodes), free: NO_NODE, free_len: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.free = NO_NODE;
        self.free_len = 0;
    }

    /// Whether `keys` insertions cannot fail.
    pub(super) fn has_room(&self, keys: usize) -> bool {
        self.free_len + self.nodes.capacity() - self.nodes.len() >= keys * INSERT_NODES
    }

    fn take(&mut self, node: Node) -> u32 {
        if self.free == NO_NODE {
            debug_assert!(self.nodes.len() < self.nodes.capacity(), "callers ask has_room first");
            self.nodes.push(node);
            return (self.nodes.len() - 1) as u32;
        }
        let id = self.free;
        self.free = self.nodes[id as usize].vals[0];
        self.free_len -= 1;
        self.nodes[id as usize] = node;
        id
    }

    fn give(&mut self, id: u32) {
        self.nodes[id as usize].vals[0] = self.free;
        self.free = id;
        self.free_len += 1;
    }

    /// The value of a key.
    pub(super) fn find(&self, tree: Tree, key: u32) -> Option<u32> {
        if tree.is_empty() {
            return None;
        }
        let mut node = &self.nodes[tree.root as usize];
        for _ in 0..tree.height {
            node = &self.nodes[node.vals[rank(&node.keys, key).min(node.len() - 1)] as usize];
        }
        let at = rank(&node.keys, key);
        (at < node.len() && node.keys[at] == key).then(|| node.vals[at])
    }

    /// Adds a key that is not there. The caller has asked [`Deep::has_room`].
    pub(super) fn insert(&mut self, tree: &mut Tree, key: u32, val: u32) {
        if tree.is_empty() {
            tree.root = self.take(Node::EMPTY);
            tree.height = 0;
        }
        if let Some((bound, right)) = self.insert_below(tree.root, tree.height, key, val) {
            let mut root = Node::EMPTY;
            root.insert(0, bound, tree.root);
            root.insert(1, u32::MAX, right);
            tree.root = self.take(root);
            tree.height += 1;
        }
    }

    /// Inserts into a subtree; where its root split, the bound of the left half and the right half.
    fn insert_below(&mut self, id: u32, height: u32, key: u32, val: u32) -> Option<(u32, u32)> {
        let node = &self.nodes[id as usize];
        let at = rank(&node.keys, key);
        if height == 0 {
            return self.put(id, height, at, key, val);
        }
        let at = at.min(node.len() - 1);
        let child = node.vals[at];
        let (bound, right) = self.insert_below(child, height - 1, key, val)?;
        // The child keeps what is up to `bound`; the right half inherits its old bound.
        self.nodes[id as usize].vals[at] = right;
        self.put(id, height, at, bound, child)
    }

    fn put(&mut self, id: u32, height: u32, at: usize, key: u32, val: u32) -> Option<(u32, u32)> {
        let node = &mut self.nodes[id as usize];
        if node.len() < FAN {
            node.insert(at, key, val);
            return None;
        }
        // A run of ever better keys leaves full leaves behind.
        let cut = if at == FAN { FAN } else { FAN / 2 + 1 };
        let mut right = node.split_off(cut);
        if at < cut {
            node.insert(at, key, val);
        } else {
            right.insert(at - cut, key, val);
        }
        let last = node.len() - 1;
        let bound = node.keys[last];
        if height > 0 {
            node.keys[last] = u32::MAX;
        }
        Some((bound, self.take(right)))
    }

    /// Removes up to [`FAN`] best entries and returns them ascending, with their number; 0 where the tree is empty.
    pub(super) fn take_best(&mut self, tree: &mut Tree) -> ([u32; LANES], [u32; LANES], usize) {
        if tree.is_empty() {
            return ([u32::MAX; LANES], [0; LANES], 0);
        }
        let leaf = self.cut_last(tree.root, tree.height);
        // An inner root without or with one child is no root.
        while tree.height > 0 {
            let root = self.nodes[tree.root as usize];
            if root.len() > 1 {
                break;
            }
            self.give(tree.root);
            match root.len() {
                1 => *tree = Tree { root: root.vals[0], height: tree.height - 1 },
                _ => *tree = Tree::EMPTY,
            }
        }
        if tree.height == 0 && !tree.is_empty() && self.nodes[tree.root as usize].len() == 0 {
            self.give(tree.root);
            *tree = Tree::EMPTY;
        }
        (leaf.keys, leaf.vals, leaf.len())
    }

    /// Takes the last leaf's content out of a subtree, dropping nodes below its root that become empty.
    fn cut_last(&mut self, id: u32, height: u32) -> Node {
        let node = self.nodes[id as usize];
        if height == 0 {
            self.nodes[id as usize].set_len(0);
            return node;
        }
        let last = node.len() - 1;
        let child = node.vals[last];
        let leaf = self.cut_last(child, height - 1);
        if self.nodes[child as usize].len() == 0 {
            self.give(child);
            let node = &mut self.nodes[id as usize];
            node.keys[last] = u32::MAX;
            node.set_len(last);
            if last > 0 {
                node.keys[last - 1] = u32::MAX;
            }
        }
        leaf
    }

    /// Keeps the entries that `keep` approves of; returns how many it dropped. O(keys).
    pub(super) fn retain(&mut self, tree: &mut Tree, mut keep: impl FnMut(u32) -> bool) -> usize {
        let mut rebuilt = Tree::EMPTY;
        let mut dropped = 0;
        if !tree.is_empty() {
            self.drain_into(tree.root, tree.height, &mut rebuilt, &mut keep, &mut dropped);
        }
        *tree = rebuilt;
        dropped
    }

    fn drain_into(
        &mut self,
        id: u32,
        height: u32,
        to: &mut Tree,
        keep: &mut impl FnMut(u32) -> bool,
        dropped: &mut usize,
    ) {
        let node = self.nodes[id as usize];
        self.give(id);
        for at in 0..node.len() {
            if height > 0 {
                self.drain_into(node.vals[at], height - 1, to, keep, dropped);
            } else if keep(node.vals[at]) {
                self.insert(to, node.keys[at], node.vals[at]);
            } else {
                *dropped += 1;
            }
        }
    }

    /// Visits values best first until `visit` returns false; returns whether it got to the end.
    pub(super) fn best_first(&self, tree: Tree, visit: &mut impl FnMut(u32) -> bool) -> bool {
        tree.is_empty() || self.visit_below(tree.root, tree.height, visit)
    }

    fn visit_below(&self, id: u32, height: u32, visit: &mut impl FnMut(u32) -> bool) -> bool {
        let node = &self.nodes[id as usize];
        node.vals[..node.len()]
            .iter()
            .rev()
            .all(|val| if height > 0 { self.visit_below(*val, height - 1, visit) } else { visit(*val) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn used(deep: &Deep) -> usize {
        deep.nodes.len() - deep.free_len
    }

    fn check(deep: &Deep, tree: Tree, map: &BTreeMap<u32, u32>) {
        let mut seen = Vec::new();
        assert!(deep.best_first(tree, &mut |val| {
            seen.push(val);
            true
        }));
        assert!(seen.iter().eq(map.values().rev()));
    }

    /// Random inserts, losses at the best end and rebuilds, in trees up to three inner levels high, against a map.
    #[test]
    fn a_tree_is_an_ordered_map() {
        for seed in 1..=6u64 {
            let mut deep = Deep::new(6_000, 1);
            let (mut tree, mut map) = (Tree::EMPTY, BTreeMap::new());
            let mut state = seed;
            let mut random = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u32
            };
            for n in 0..20_000u32 {
                // Grow to thousands, then shrink, so that inner nodes become the last of their height and grow again.
                let shrink = n / 2_500 % 2 == 1;
                if random() % 100 < if shrink { 12 } else { 2 } {
                    let (keys, vals, len) = deep.take_best(&mut tree);
                    for i in (0..len).rev() {
                        assert_eq!(map.pop_last(), Some((keys[i], vals[i])), "seed {seed}");
                    }
                    assert!(len > 0 || map.is_empty());
                }
                let near_best = map.keys().next_back().copied().unwrap_or(1 << 20);
                let key = match random() % 8 {
                    0 => [0, 1, u32::MAX, u32::MAX - 1][random() as usize % 4],
                    1..4 => near_best.saturating_add(random() % 50),
                    _ => random() % (1 << 21),
                };
                assert_eq!(deep.find(tree, key), map.get(&key).copied(), "seed {seed}");
                if !map.contains_key(&key) && map.len() < 6_000 {
                    assert!(deep.has_room(1));
                    deep.insert(&mut tree, key, n);
                    map.insert(key, n);
                }
                if n % 3_777 == 0 {
                    let dropped = deep.retain(&mut tree, |val| val % 3 != 0);
                    let before = map.len();
                    map.retain(|_, val| *val % 3 != 0);
                    assert_eq!(dropped, before - map.len());
                }
                assert!(used(&deep) <= map.len() / 4 + 1, "{} nodes for {}", used(&deep), map.len());
                if n % 500 == 0 {
                    check(&deep, tree, &map);
                }
            }
            check(&deep, tree, &map);
        }
    }

    #[test]
    fn ever_better_keys_leave_full_leaves() {
        let mut deep = Deep::new(3_000, 1);
        let mut tree = Tree::EMPTY;
        (0..3_000).for_each(|key| deep.insert(&mut tree, key, key));
        let leaves = 3_000 / FAN;
        assert!(used(&deep) <= leaves + leaves / 7 + 3, "{}", used(&deep));
    }
}
