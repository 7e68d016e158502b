//! hcl-rs as the judge of our reader of HCL. It reads HCL 2, our files are HCL 1; what is written here means the same in both.

use super::{Format, parse};
use hcl::{Attribute, Block, Body};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Equal but for the kind of number: `1e3` is a whole number for one and none for the other.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

fn ours(text: &str) -> Value {
    parse(text.as_bytes(), Format::Hcl).unwrap_or_else(|error| panic!("{error:?} in\n{text}")).to_json()
}

fn identifier() -> impl Strategy<Value = String> {
    // Bare words that HCL 2 knows as values or begins expressions with.
    "[a-z_][a-z0-9_-]{0,6}"
        .prop_filter("no word of the language", |word| !["true", "false", "null", "for", "if"].contains(&&**word))
}

/// Strings of all sorts. `${` and `%{` begin templates in HCL 2, NUL is refused by HCL 1.
fn text() -> impl Strategy<Value = String> {
    let any = proptest::collection::vec(any::<char>().prop_filter("no NUL", |c| *c != '\0'), 0..8);
    prop_oneof!["[ -~]{0,12}", "[a-z\"\\\\\n\t\r éß#/*=]{0,8}", any.prop_map(String::from_iter)]
        .prop_filter("no template", |text| !text.contains("${") && !text.contains("%{"))
}

/// hcl-rs writes whole ones without a fraction, and HCL 1 takes those for whole numbers, of which it knows none so large.
fn float() -> impl Strategy<Value = f64> {
    any::<f64>()
        .prop_filter("finite and not large", |number| number.is_finite() && (number.fract() != 0.0 || number.abs() < 9e18))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_filter("its opposite is none", |number| *number != i64::MIN).prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        float().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(prop_oneof![identifier(), text()], inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// A body: attributes, blocks (several of one name as well) and blocks with a label, each under names of their own.
#[derive(Clone, Debug)]
struct Tree {
    attributes: BTreeMap<String, Value>,
    blocks: BTreeMap<String, Vec<Tree>>,
    labelled: BTreeMap<String, (String, Box<Tree>)>,
}

fn tree() -> impl Strategy<Value = Tree> {
    let attributes = || proptest::collection::btree_map(identifier(), value(), 0..4);
    let leaf =
        attributes().prop_map(|attributes| Tree { attributes, blocks: BTreeMap::new(), labelled: BTreeMap::new() }).boxed();
    leaf.prop_recursive(3, 12, 3, move |inner| {
        let blocks = proptest::collection::btree_map(identifier(), proptest::collection::vec(inner.clone(), 1..3), 0..3);
        let labelled = proptest::collection::btree_map(identifier(), (text(), inner.prop_map(Box::new)), 0..2);
        (attributes(), blocks, labelled).prop_map(|(attributes, blocks, labelled)| Tree { attributes, blocks, labelled })
    })
}

impl Tree {
    /// As hcl-rs builds it. A name that is taken by an attribute or a block before is left out.
    fn body(&self) -> Body {
        let mut body = Body::builder();
        for (key, value) in &self.attributes {
            body = body.add_attribute(Attribute::new(key.as_str(), hcl::to_expression(value).unwrap()));
        }
        for (name, block) in self.free_blocks() {
            for inner in block {
                body = body.add_block(Block::builder(name.as_str()).add_structures(inner.body()).build());
            }
        }
        for (name, (label, inner)) in self.free_labelled() {
            body = body.add_block(Block::builder(name.as_str()).add_label(label.as_str()).add_structures(inner.body()).build());
        }
        body.build()
    }

    fn free_blocks(&self) -> impl Iterator<Item = (&String, &Vec<Tree>)> {
        self.blocks.iter().filter(|(name, _)| !self.attributes.contains_key(*name))
    }

    fn free_labelled(&self) -> impl Iterator<Item = (&String, &(String, Box<Tree>))> {
        let taken = |name: &String| self.attributes.contains_key(name) || self.blocks.contains_key(name);
        self.labelled.iter().filter(move |(name, _)| !taken(name))
    }

    /// What it means.
    fn value(&self) -> Value {
        let mut map: Map<String, Value> = self.attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        for (name, blocks) in self.free_blocks() {
            let mut values: Vec<Value> = blocks.iter().map(Tree::value).collect();
            let value = if values.len() == 1 { values.remove(0) } else { Value::from(values) };
            map.insert(name.clone(), value);
        }
        for (name, (label, inner)) in self.free_labelled() {
            map.insert(name.clone(), json!({ label.as_str(): inner.value() }));
        }
        Value::Object(map)
    }
}

/// How a text may be written by hand: what stands around and between its parts.
#[derive(Clone, Debug)]
struct Style {
    indent: &'static str,
    end: &'static str,
    comment: &'static str,
    trailing_comma: bool,
    heredoc: bool,
}

fn style() -> impl Strategy<Value = Style> {
    use proptest::sample::select;
    let comments = vec!["", "# c \"{\n", "// c }\n", "/* c\n = [ */\n", "\n\n"];
    (select(vec!["", "  ", "\t"]), select(vec!["\n", "\r\n"]), select(comments), any::<bool>(), any::<bool>())
        .prop_map(|(indent, end, comment, trailing_comma, heredoc)| Style { indent, end, comment, trailing_comma, heredoc })
}

impl Style {
    /// By hand, not by hcl-rs.
    fn write(&self, tree: &Tree, depth: usize, out: &mut String) {
        let (indent, end) = (self.indent.repeat(depth), self.end);
        for (key, value) in &tree.attributes {
            let value = self.value(value, true);
            out.push_str(&format!("{}{indent}{key} = {value}{end}", self.comment));
        }
        let blocks = tree.free_blocks().flat_map(|(name, blocks)| blocks.iter().map(move |block| (name.clone(), block)));
        let labelled = tree.free_labelled().map(|(name, (label, inner))| (format!("{name} {}", quoted(label)), &**inner));
        for (head, inner) in blocks.chain(labelled) {
            out.push_str(&format!("{}{indent}{head} {{{end}", self.comment));
            self.write(inner, depth + 1, out);
            out.push_str(&format!("{indent}}}{end}"));
        }
    }

    fn value(&self, value: &Value, may_be_heredoc: bool) -> String {
        let comma = if self.trailing_comma { "," } else { "" };
        match value {
            // What a heredoc holds is kept as it stands.
            Value::String(text) if self.heredoc && may_be_heredoc && self.end == "\n" && text.ends_with('\n') => {
                let plain = text.chars().all(|c| c == '\n' || (c != '\\' && !c.is_control()));
                if plain && !text.contains("EOT") { format!("<<EOT\n{text}EOT") } else { quoted(text) }
            }
            Value::String(text) => quoted(text),
            Value::Array(items) if items.is_empty() => "[]".to_owned(),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.value(item, false)).collect();
                format!("[{}{comma}]", items.join(if self.trailing_comma { ",\n" } else { ", " }))
            }
            Value::Object(map) if map.is_empty() => "{}".to_owned(),
            Value::Object(map) => {
                let items: Vec<String> =
                    map.iter().map(|(key, value)| format!("{} = {}", quoted(key), self.value(value, false))).collect();
                format!("{{ {}{comma} }}", items.join(", "))
            }
            other => other.to_string(),
        }
    }
}

/// In quotes, with the escapes that both versions know.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

proptest! {
    /// What hcl-rs writes, we read as what it was.
    #[test]
    fn what_is_written_is_read(tree in tree()) {
        let text = hcl::to_string(&tree.body()).unwrap();
        let read = ours(&text);
        prop_assert!(same(&read, &tree.value()), "{read} of\n{text}");
    }

    /// What is written by hand, both read alike.
    #[test]
    fn both_read_the_same(tree in tree(), style in style()) {
        let mut text = String::new();
        style.write(&tree, 0, &mut text);
        let theirs: Value = hcl::from_str(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
        let read = ours(&text);
        prop_assert!(same(&read, &theirs), "{read} and not {theirs} of\n{text}");
    }
}
