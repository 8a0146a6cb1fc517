//! The dicts of a pickle, as JSON has them.

use std::collections::HashMap;

use super::node::{Id, Node};

/// Makes of each dict what it is as JSON: an object whose keys each come once, or a list of pairs.
///
/// That is done once for each dict and not each time it is shown, and a key is looked at once however many
/// entries have it: otherwise a few kilobytes could name a dict of a thousand equal keys a thousand times.
pub(super) fn settle(nodes: &mut [Node<'_>]) {
    let mut keys = Keys::new(nodes);
    let dicts = nodes.iter().enumerate();
    let settled: Vec<_> = dicts
        .filter_map(|(id, node)| match node {
            Node::Dict(entries) => Some((id, keys.settled(entries))),
            _ => None,
        })
        .collect();
    for (id, node) in settled {
        nodes[id] = node;
    }
}

struct Keys<'n, 'a> {
    nodes: &'n [Node<'a>],
    /// The first node with each text.
    first: HashMap<&'n str, Id>,
    /// The same by the node, for those that were looked at; none for what cannot be the key of an object.
    known: HashMap<Id, Option<Id>>,
}

impl<'n, 'a> Keys<'n, 'a> {
    fn new(nodes: &'n [Node<'a>]) -> Self {
        Self {
            nodes,
            first: HashMap::new(),
            known: HashMap::new(),
        }
    }

    fn settled(&mut self, entries: &[(Id, Id)]) -> Node<'a> {
        // In Python the last of equal keys counts, and stands where the first did.
        let mut places = HashMap::new();
        let mut kept: Vec<(Id, Id)> = Vec::new();
        for &(key, value) in entries {
            let Some(first) = self.key(key) else {
                return Node::Map(entries.to_vec());
            };
            let place = *places.entry(first).or_insert(kept.len());
            match kept.get_mut(place) {
                Some(entry) => entry.1 = value,
                None => kept.push((first, value)),
            }
        }
        Node::Dict(kept)
    }

    /// The first node that is the same key, if it can be a key of an object.
    fn key(&mut self, id: Id) -> Option<Id> {
        let Self {
            nodes,
            first,
            known,
        } = self;
        *known.entry(id).or_insert_with(|| {
            let text = nodes[id].text().filter(|text| !text.starts_with('$'))?;
            Some(*first.entry(text).or_insert(id))
        })
    }
}
