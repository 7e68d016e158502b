//! What a plugin says about itself.

use crate::bindings;
use crate::bindings::lictor::check::types::Capability;

/// The kinds of setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// A description in the making.
pub struct Description {
    inner: bindings::Description,
    properties: Vec<Property>,
}

struct Property {
    key: String,
    kind: Kind,
    text: String,
    required: bool,
    /// JSON members, each with a comma in front.
    rest: String,
}

impl Description {
    /// A plugin without settings that asks for nothing.
    pub fn new(name: &str, version: &str) -> Self {
        let inner = bindings::Description {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: String::new(),
            config_schema: String::new(),
            capabilities: Vec::new(),
        };
        Self { inner, properties: Vec::new() }
    }

    /// One line about it.
    pub fn summary(mut self, line: &str) -> Self {
        line.clone_into(&mut self.inner.summary);
        self
    }

    /// Adds a setting. Settings that are not described are refused by the agent.
    pub fn setting(mut self, key: &str, kind: Kind, text: &str) -> Self {
        let (key, text) = (key.to_owned(), text.to_owned());
        self.properties.push(Property { key, kind, text, required: false, rest: String::new() });
        self
    }

    /// The setting added last must be given.
    pub fn required(mut self) -> Self {
        if let Some(last) = self.properties.last_mut() {
            last.required = true;
        }
        self
    }

    /// The default of the setting added last, as JSON: `"\"localhost:80\""`, `"5"`, `"true"`.
    pub fn default(self, json: &str) -> Self {
        self.with("default", json)
    }

    /// The least value of the setting added last.
    pub fn at_least(self, least: i64) -> Self {
        self.with("minimum", &least.to_string())
    }

    /// The greatest value of the setting added last.
    pub fn at_most(self, most: i64) -> Self {
        self.with("maximum", &most.to_string())
    }

    /// What the text added last may be, and nothing else.
    pub fn one_of(self, texts: &[&str]) -> Self {
        let mut json = String::from("[");
        for (at, text) in texts.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            quote(text, &mut json);
        }
        json.push(']');
        self.with("enum", &json)
    }

    fn with(mut self, member: &str, json: &str) -> Self {
        if let Some(last) = self.properties.last_mut() {
            last.rest.push_str(&[",\"", member, "\":", json].concat());
        }
        self
    }

    /// A JSON Schema of the settings in place of those added one by one.
    pub fn schema(mut self, json: &str) -> Self {
        json.clone_into(&mut self.inner.config_schema);
        self
    }

    /// Asks for a grant; `{key}` stands for a setting, and asks for nothing while that is not given.
    pub fn asks(self, grant: &str, why: &str) -> Self {
        self.ask(grant, why, false)
    }

    /// Asks for a grant it can do without.
    pub fn likes(self, grant: &str, why: &str) -> Self {
        self.ask(grant, why, true)
    }

    fn ask(mut self, grant: &str, why: &str, optional: bool) -> Self {
        self.inner.capabilities.push(Capability { grant: grant.to_owned(), why: why.to_owned(), optional });
        self
    }
}

impl From<Description> for bindings::Description {
    fn from(mut description: Description) -> Self {
        if description.inner.config_schema.is_empty() {
            description.inner.config_schema = schema(&description.properties);
        }
        description.inner
    }
}

fn schema(properties: &[Property]) -> String {
    let mut json = String::from("{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    for (at, property) in properties.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        quote(&property.key, &mut json);
        json.push_str(":{\"type\":");
        json.push_str(match property.kind {
            Kind::Text => "\"string\"",
            Kind::Integer => "\"integer\"",
            Kind::Number => "\"number\"",
            Kind::Boolean => "\"boolean\"",
        });
        json.push_str(",\"description\":");
        quote(&property.text, &mut json);
        json.push_str(&property.rest);
        json.push('}');
    }
    json.push_str("},\"required\":[");
    for (at, property) in properties.iter().filter(|property| property.required).enumerate() {
        if at > 0 {
            json.push(',');
        }
        quote(&property.key, &mut json);
    }
    json.push_str("]}");
    json
}

fn quote(text: &str, into: &mut String) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                into.push('\\');
                into.push(c);
            }
            c if c < ' ' => into.push(' '),
            c => into.push(c),
        }
    }
    into.push('"');
}
