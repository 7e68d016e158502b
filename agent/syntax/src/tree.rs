//! The value tree that every format is read into: values with the line and column where they were written.

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

/// Deepest nesting read from a file.
pub const DEPTH_MAX: usize = 64;

/// A place in a file; both from 1, 0 when unknown. Columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub pos: Pos,
    /// The value.
    pub kind: Kind,
}

/// The kinds of value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `null` (JSON only).
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map; in HCL also a block.
    Map(IndexMap<String, Entry>),
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the key is.
    pub key_pos: Pos,
    /// The value.
    pub value: Node,
}

impl Node {
    /// An empty map.
    pub fn empty(pos: Pos) -> Self {
        Self { pos, kind: Kind::Map(IndexMap::new()) }
    }

    /// The map, when it is one.
    pub fn as_map(&self) -> Option<&IndexMap<String, Entry>> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The same value without places.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Integer(number) => Value::from(*number),
            Kind::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(list) => Value::Array(list.iter().map(Self::to_json).collect()),
            Kind::Map(map) => {
                Value::Object(map.iter().map(|(key, entry)| (key.clone(), entry.value.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// The place of a dotted path (`checks[1].interval`) below this value, as near as it leads. Keys match without letter case
    /// and underscores; `check` and `checks` stand for each other; a list of one stands for its element, and the other way round.
    pub fn locate(&self, path: &str) -> Pos {
        let mut node = self;
        let mut pos = self.pos;
        for segment in path.split('.').filter(|segment| !segment.is_empty()) {
            let (key, indexes) = segment.split_once('[').map_or((segment, ""), |(key, rest)| (key, rest));
            if !key.is_empty() {
                let Some(entry) = node.find(key) else { return pos };
                pos = entry.key_pos;
                node = &entry.value;
            }
            for index in indexes.split('[').filter_map(|text| text.trim_end_matches(']').parse::<usize>().ok()) {
                match &node.kind {
                    Kind::List(list) => {
                        let Some(item) = list.get(index) else { return pos };
                        node = item;
                        pos = item.pos;
                    }
                    _ if index == 0 => {}
                    _ => return pos,
                }
            }
        }
        pos
    }

    fn find(&self, key: &str) -> Option<&Entry> {
        let maps: Vec<&IndexMap<String, Entry>> = match &self.kind {
            Kind::Map(map) => vec![map],
            Kind::List(list) => list.iter().filter_map(Self::as_map).collect(),
            _ => return None,
        };
        let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
        let wanted = plain(key);
        let exact = maps.iter().find_map(|map| map.get(key));
        exact
            .or_else(|| maps.iter().find_map(|map| map.iter().find(|(name, _)| plain(name) == wanted).map(|(_, entry)| entry)))
            .or_else(|| match wanted.as_str() {
                "checks" => {
                    maps.iter().find_map(|map| map.iter().find(|(name, _)| plain(name) == "check").map(|(_, entry)| entry))
                }
                _ => None,
            })
    }
}

/// A map in the making, as HCL fills it: blocks of one name gather in a list, anything else replaces what was there.
#[derive(Default)]
pub(crate) struct Gathering {
    map: IndexMap<String, Entry>,
    /// Of each entry whether it holds blocks alone. Remembered, as looking at all of them for each that comes would cost the
    /// square of their number.
    is_blocks: Vec<bool>,
}

impl Gathering {
    /// Adds a value under a key.
    pub(crate) fn insert(&mut self, key: String, key_pos: Pos, value: Node) {
        let is_blocks = match &value.kind {
            Kind::Map(_) => true,
            Kind::List(list) => !list.is_empty() && list.iter().all(|item| matches!(item.kind, Kind::Map(_))),
            _ => false,
        };
        if is_blocks
            && let Some((at, _, there)) = self.map.get_full_mut(&key)
            && self.is_blocks.get(at) == Some(&true)
        {
            let pos = there.value.pos;
            let mut gathered = into_list(std::mem::replace(&mut there.value, Node { pos, kind: Kind::Null }));
            gathered.append(&mut into_list(value));
            there.value = Node { pos, kind: Kind::List(gathered) };
            return;
        }
        let (at, _) = self.map.insert_full(key, Entry { key_pos, value });
        match self.is_blocks.get_mut(at) {
            Some(known) => *known = is_blocks,
            None => self.is_blocks.push(is_blocks),
        }
    }

    /// What came of it.
    pub(crate) fn into_map(self) -> IndexMap<String, Entry> {
        self.map
    }
}

fn into_list(node: Node) -> Vec<Node> {
    match node.kind {
        Kind::List(list) => list,
        kind => vec![Node { pos: node.pos, kind }],
    }
}
