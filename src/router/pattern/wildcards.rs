//! Wildcards, found by the URIs that they match: a trie over components.
//!
//! A URI can meet many wildcards on many ways through the trie: at each component the ways part,
//! for those that give it and for those that leave it open. A [`Walk`] goes all of them, visits no
//! place twice, and can be left and taken up again later, also where wildcards have come and gone
//! meanwhile: a place is known by the choices that lead to it, one bit for each component. That is
//! why a wildcard has at most [`MAX_COMPONENTS`].

use std::collections::HashMap;

use crate::protocol::ids::IdMap;

/// The most components of a wildcard. Two to the number of the open ones is how many wildcards can
/// match one URI, but those are bounded by themselves.
pub(in crate::router) const MAX_COMPONENTS: usize = 32;

/// The wildcards of a table, each with an id.
#[derive(Debug, Default)]
pub(super) struct Wildcards {
    /// The components that are given anywhere.
    symbols: HashMap<Box<str>, Symbol>,
    last_symbol: u32,
    free_symbols: Vec<u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// The node below a node and a symbol.
    given: IdMap<u32>,
    /// The root of the wildcards of each number of components.
    roots: Vec<Option<u32>>,
}

#[derive(Debug)]
struct Symbol {
    number: u32,
    uses: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// The node below for those that leave the next component open.
    open: Option<u32>,
    /// The number of nodes below for those that give it.
    given: u32,
    /// The id of the wildcard that ends here.
    id: Option<u64>,
}

impl Wildcards {
    /// True without any.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes_in_use() == 0
    }

    /// The most places that a walk visits.
    pub(super) fn nodes_in_use(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// The id of this very wildcard.
    pub(super) fn get(&self, pattern: &str) -> Option<u64> {
        let mut at = self.root(pattern)?;
        for component in pattern.split('.') {
            at = self.below(at, component)?;
        }
        self.nodes[at as usize].id
    }

    /// Adds a wildcard that is not there. One of too many components is never found.
    pub(super) fn insert(&mut self, pattern: &str, id: u64) {
        let count = pattern.split('.').count();
        if count > MAX_COMPONENTS {
            return;
        }
        self.roots.resize(MAX_COMPONENTS + 1, None);
        let mut at = match self.roots[count] {
            Some(root) => root,
            None => self.add(),
        };
        self.roots[count] = Some(at);
        for component in pattern.split('.') {
            at = match self.below(at, component) {
                Some(below) => below,
                None if component.is_empty() => {
                    let below = self.add();
                    self.nodes[at as usize].open = Some(below);
                    below
                }
                None => {
                    let (below, symbol) = (self.add(), self.symbol(component));
                    self.nodes[at as usize].given += 1;
                    self.given.insert(key(at, symbol), below);
                    below
                }
            };
        }
        self.nodes[at as usize].id = Some(id);
    }

    /// Takes a wildcard out.
    pub(super) fn remove(&mut self, pattern: &str) {
        let Some(root) = self.root(pattern) else {
            return;
        };
        let mut way = vec![root];
        for component in pattern.split('.') {
            let Some(below) = way.last().and_then(|at| self.below(*at, component)) else {
                return;
            };
            way.push(below);
        }
        let components: Vec<&str> = pattern.split('.').collect();
        for (depth, at) in way.into_iter().enumerate().rev() {
            let node = &mut self.nodes[at as usize];
            match components.get(depth) {
                None => node.id = None,
                Some(&"") => node.open = None,
                Some(component) => {
                    node.given -= 1;
                    self.forget(at, component);
                }
            }
            let node = &self.nodes[at as usize];
            if node.open.is_some() || node.given > 0 {
                return;
            }
            self.free.push(at);
        }
        self.roots[components.len()] = None;
    }

    /// The wildcards that match `uri`. The walk begins at the place `from`; 0 is the first.
    pub(super) fn walk(&self, uri: &str, from: u64) -> Walk<'_> {
        let mut components = Vec::new();
        if !self.is_empty() {
            // Of longer ones nothing is found.
            let first = uri.split('.').take(MAX_COMPONENTS + 1);
            let number = |component| self.symbols.get(component).map(|symbol| symbol.number);
            components.extend(first.map(number));
        }
        let root = self.roots.get(components.len()).copied().flatten();
        let first = root.map(|root| Place { node: root, depth: 0, choices: 0 });
        Walk { wildcards: self, components, rest: first.into_iter().collect(), from, visited: 0 }
    }

    fn root(&self, pattern: &str) -> Option<u32> {
        self.roots.get(pattern.split('.').count()).copied().flatten()
    }

    fn below(&self, at: u32, component: &str) -> Option<u32> {
        if component.is_empty() {
            return self.nodes[at as usize].open;
        }
        let symbol = self.symbols.get(component)?;
        self.given.get(&key(at, symbol.number)).copied()
    }

    fn add(&mut self) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = Node::default();
                at
            }
            None => {
                self.nodes.push(Node::default());
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// The number of a component, which has one use more.
    fn symbol(&mut self, component: &str) -> u32 {
        if let Some(symbol) = self.symbols.get_mut(component) {
            symbol.uses += 1;
            return symbol.number;
        }
        let number = self.free_symbols.pop().unwrap_or_else(|| {
            self.last_symbol += 1;
            self.last_symbol
        });
        self.symbols.insert(component.into(), Symbol { number, uses: 1 });
        number
    }

    /// Nothing is below `at` any more that gives this component.
    fn forget(&mut self, at: u32, component: &str) {
        let Some(symbol) = self.symbols.get_mut(component) else {
            return;
        };
        let number = symbol.number;
        symbol.uses -= 1;
        if symbol.uses == 0 {
            self.symbols.remove(component);
            self.free_symbols.push(number);
        }
        self.given.remove(&key(at, number));
    }
}

fn key(node: u32, symbol: u32) -> u64 {
    u64::from(node) << 32 | u64::from(symbol)
}

/// See [`Wildcards::walk`]. Gives places and ids. At each component it goes first where that is
/// given, so that the first wildcard is the one that gives a component where the others first leave
/// it open.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    wildcards: &'a Wildcards,
    /// The symbols of the URI's components; none for those that nobody gives.
    components: Vec<Option<u32>>,
    /// The places still to be visited, the next one last.
    rest: Vec<Place>,
    from: u64,
    /// The places that were visited.
    pub(super) visited: usize,
}

#[derive(Debug)]
struct Place {
    node: u32,
    depth: usize,
    /// One bit for each component, the first one highest; set where it was left open.
    choices: u64,
}

impl Walk<'_> {
    /// The place where another walk can go on.
    pub(super) fn place(&self) -> Option<u64> {
        self.rest.last().map(|place| place.choices.max(self.from))
    }

    /// Visits one place: `None` when there is no other.
    pub(super) fn step(&mut self) -> Option<Option<(u64, u64)>> {
        let Place { node, depth, choices } = self.rest.pop()?;
        self.visited += 1;
        let found = &self.wildcards.nodes[node as usize];
        let Some(symbol) = self.components.get(depth) else {
            return Some(found.id.filter(|_| choices >= self.from).map(|id| (choices, id)));
        };
        let below = MAX_COMPONENTS - 1 - depth;
        let mut go = |node: Option<&u32>, choices: u64| {
            // All that can be chosen below.
            let last = choices | ((1 << below) - 1);
            if let Some(node) = node.filter(|_| last >= self.from) {
                self.rest.push(Place { node: *node, depth: depth + 1, choices });
            }
        };
        go(found.open.as_ref(), choices | 1 << below);
        if let Some(symbol) = symbol {
            go(self.wildcards.given.get(&key(node, *symbol)), choices);
        }
        Some(None)
    }
}

impl Iterator for Walk<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        loop {
            if let found @ Some(_) = self.step()? {
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::matches;
    use super::*;
    use crate::protocol::uri::Match;

    proptest! {
        #[test]
        fn a_walk_can_be_left_and_taken_up_again(
            steps in proptest::collection::vec(("[ab.]{0,7}", any::<bool>()), 0..60),
            uri in "[abc.]{0,7}",
        ) {
            let (mut trie, mut all) = (Wildcards::default(), BTreeMap::new());
            for (id, (pattern, add)) in (1..).zip(&steps) {
                if *add && !all.contains_key(pattern) {
                    trie.insert(pattern, id);
                    all.insert(pattern.clone(), id);
                } else if !add {
                    trie.remove(pattern);
                    all.remove(pattern);
                }
                prop_assert_eq!(trie.get(pattern), all.get(pattern).copied());
            }
            prop_assert_eq!(trie.is_empty(), all.is_empty());
            prop_assert_eq!(trie.symbols.is_empty(), trie.given.is_empty());
            prop_assert!(!trie.is_empty() || trie.symbols.is_empty());
            let mut expected: Vec<u64> = all
                .iter()
                .filter(|(pattern, _)| matches(pattern, Match::Wildcard, &uri))
                .map(|(_, id)| *id)
                .collect();
            expected.sort_unstable();
            let mut whole = trie.walk(&uri, 0);
            let mut found: Vec<u64> = whole.by_ref().map(|(_, id)| id).collect();
            prop_assert!(whole.visited <= trie.nodes.len() - trie.free.len());
            let in_order = found.clone();
            found.sort_unstable();
            prop_assert_eq!(&found, &expected);

            // A new walk for each step, which is the least that a turn can do.
            let (mut place, mut found) = (Some(0), Vec::new());
            while let Some(from) = place {
                let mut walk = trie.walk(&uri, from);
                let Some((at, id)) = walk.next() else { break };
                found.push(id);
                place = Some(at + 1);
                prop_assert!(walk.place().is_none_or(|place| place >= at));
            }
            prop_assert_eq!(found, in_order);
        }
    }

    #[test]
    fn ways_that_meet_nothing_are_not_gone_twice() {
        let mut trie = Wildcards::default();
        for number in 0..1000_u64 {
            let component = |bit: u64| if number >> (bit % 10) & 1 == 1 { "a" } else { "" };
            let pattern: Vec<&str> = (0..31).map(component).chain(["b"]).collect();
            trie.insert(&pattern.join("."), number + 1);
        }
        let mut walk = trie.walk(&["a"; 32].join("."), 0);
        assert_eq!(walk.by_ref().count(), 0);
        assert!(walk.visited <= 32 * 1000, "{}", walk.visited);
    }
}
