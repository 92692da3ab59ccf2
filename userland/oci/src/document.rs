//! JSON in which no object names a key twice.
//!
//! Readers of JSON differ in which of two equal keys they take (B-2): a checker could see one
//! value and the runtime use the other.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads one JSON document.
///
/// # Errors
/// What is wrong and where: bad JSON, a key given twice, text after the end.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} given twice")));
            }
            object.insert(key, entries.next_value_seed(Strict)?);
        }
        Ok(Value::Object(object))
    }
}

/// A place in a document: its value and its JSON pointer (RFC 6901).
#[derive(Clone)]
pub struct At<'a> {
    /// The value there.
    pub value: &'a Value,
    /// Where it is; empty for the whole document.
    pub pointer: String,
}

/// A value that is wrong or not enforced, named by its pointer.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it is.
    pub pointer: String,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config.json: {}: {}", self.pointer, self.reason)
    }
}

impl std::error::Error for Refusal {}

impl<'a> At<'a> {
    /// The whole document.
    #[must_use]
    pub fn root(value: &'a Value) -> Self {
        Self {
            value,
            pointer: String::new(),
        }
    }

    /// An error about this place.
    pub fn refuse(&self, reason: impl Into<String>) -> Refusal {
        let pointer = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        Refusal {
            pointer: pointer.to_owned(),
            reason: reason.into(),
        }
    }

    fn below(&self, name: &str, value: &'a Value) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self {
            value,
            pointer: format!("{}/{name}", self.pointer),
        }
    }

    /// The property `name` of this object; `null` is as good as absent.
    pub fn get(&self, name: &str) -> Result<Option<Self>, Refusal> {
        let object = self.object()?;
        let value = object.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| self.below(name, value)))
    }

    /// The property `name`, which must be there.
    pub fn need(&self, name: &str) -> Result<Self, Refusal> {
        self.get(name)?
            .ok_or_else(|| self.below(name, &Value::Null).refuse("required"))
    }

    /// The value as an object.
    pub fn object(&self) -> Result<&'a Map<String, Value>, Refusal> {
        self.value
            .as_object()
            .ok_or_else(|| self.refuse("must be an object"))
    }

    /// The places in this object, with their names.
    pub fn members(&self) -> Result<Vec<(&'a str, Self)>, Refusal> {
        let members = self.object()?.iter();
        Ok(members
            .map(|(name, value)| (name.as_str(), self.below(name, value)))
            .collect())
    }

    /// The places in this array.
    pub fn items(&self) -> Result<Vec<Self>, Refusal> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.refuse("must be an array"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(i, item)| self.below(&i.to_string(), item))
            .collect())
    }

    /// The places in the array `name`, none when it is absent.
    pub fn list(&self, name: &str) -> Result<Vec<Self>, Refusal> {
        self.get(name)?
            .map_or(Ok(Vec::new()), |array| array.items())
    }

    /// The value as a string.
    pub fn text(&self) -> Result<&'a str, Refusal> {
        self.value
            .as_str()
            .ok_or_else(|| self.refuse("must be a string"))
    }

    /// The value as true or false.
    pub fn flag(&self) -> Result<bool, Refusal> {
        self.value
            .as_bool()
            .ok_or_else(|| self.refuse("must be true or false"))
    }

    /// The value as a number, for the kernel to check.
    pub fn integer(&self) -> Result<i64, Refusal> {
        let number = self.value.as_i64();
        number.ok_or_else(|| self.refuse("must be an integer of at most 64 bits"))
    }

    /// The value as a number from 0 to 18446744073709551615.
    pub fn long(&self) -> Result<u64, Refusal> {
        let number = self.value.as_u64();
        number.ok_or_else(|| self.refuse("must be an integer from 0 to 18446744073709551615"))
    }

    /// The value as a number from 0 to 4294967295.
    pub fn number(&self) -> Result<u32, Refusal> {
        let number = self
            .value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.refuse("must be an integer from 0 to 4294967295"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_given_twice_is_refused_at_any_depth() {
        let error = parse(br#"{"a":[{"b":1,"b":1}]}"#).unwrap_err().to_string();
        assert!(error.contains(r#"key "b" given twice"#), "{error}");
    }

    #[test]
    fn values_come_through() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,1.5,"x\ny"],"b":{}}"#;
        assert_eq!(
            parse(text.as_bytes()).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn bad_documents_are_refused() {
        for text in ["", "{", "{} x", "{\"a\":1,}", "\u{feff}{}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse("[".repeat(1000).as_bytes()).is_err(), "bounded depth");
    }

    #[test]
    fn pointers_name_the_place() {
        let value = parse(br#"{"a/b":{"~":["x"]}}"#).unwrap();
        let at = At::root(&value).need("a/b").unwrap().need("~").unwrap();
        let refusal = at.items().unwrap()[0].flag().unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "config.json: /a~1b/~0/0: must be true or false"
        );
        let missing = At::root(&value).need("c").err().unwrap();
        assert_eq!(missing.to_string(), "config.json: /c: required");
    }
}
