//! The names of components.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;

use super::Direction;

/// A named type, as it was found.
#[derive(Debug)]
pub(super) struct Named {
    /// The name of the type, as a key of a document.
    pub(super) name: String,
    /// The directions in which it is sent.
    pub(super) directions: Vec<Direction>,
    /// The last segment of its module. For a type that is only found inside of others, it is that
    /// of the first of these by name.
    pub(super) module: String,
    /// Whether the module is its own.
    pub(super) is_module_known: bool,
    /// The schema, with the schemas that it refers to. Types with equal contents are one component.
    pub(super) contents: String,
}

impl Named {
    /// Adds what is known of a type that was found again. Returns `false` for another type.
    pub(super) fn unite(&mut self, found: &Self) -> bool {
        if self.name != found.name || self.contents != found.contents {
            return false;
        }
        for direction in &found.directions {
            if !self.directions.contains(direction) {
                self.directions.push(*direction);
            }
        }
        // The order in which types are found must not matter.
        let module = |it: &Self| (!it.is_module_known, it.module.clone());
        if module(found) < module(self) {
            self.module.clone_from(&found.module);
            self.is_module_known = found.is_module_known;
        }
        true
    }

    fn is_only_received(&self) -> bool {
        self.directions == [Direction::Received]
    }
}

/// Returns the final name of each type. A type whose schemas differ by direction is `Said` as it is
/// sent and `SaidInput` as it is received. Other types of the same name begin with the name of
/// their module, and end with a number if that is not enough.
pub(super) fn named(found: &[Named]) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<(usize, &Named)>> = BTreeMap::new();
    for (index, ty) in found.iter().enumerate() {
        by_name.entry(&ty.name).or_default().push((index, ty));
    }
    let mut names = vec![String::new(); found.len()];
    // A type with a unique name keeps it, whatever the names of the others are.
    let mut taken: BTreeSet<String> = by_name.keys().map(|name| (*name).to_owned()).collect();
    for (name, mut types) in by_name {
        types.sort_by_key(|(_, ty)| (ty.is_only_received(), &ty.module, &ty.contents));
        let modules: BTreeSet<&str> = types.iter().map(|(_, ty)| ty.module.as_str()).collect();
        let mut is_first = true;
        for (index, ty) in &types {
            let prefix = if modules.len() > 1 { camel(&ty.module) } else { String::new() };
            let is_sent_too = types.iter().any(|(_, it)| it.module == ty.module && !it.is_only_received());
            let suffix = if ty.is_only_received() && is_sent_too { "Input" } else { "" };
            let wanted = format!("{prefix}{name}{suffix}");
            let is_own = std::mem::take(&mut is_first) && wanted == name;
            if let Some(slot) = names.get_mut(*index) {
                *slot = if is_own { wanted } else { free_name(&wanted, &mut taken) };
            }
        }
    }
    names
}

fn free_name(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{wanted}{number}");
        number += 1;
    }
    name
}

/// Returns a name as a key of a document: letters, digits, `.`, `-` and `_`.
pub(crate) fn key(name: &str) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    name.chars().map(|letter| if is_allowed(letter) { letter } else { '_' }).collect()
}

/// Returns the name in a reference of schemars, which escapes characters as in a URI and as in a
/// JSON pointer.
pub(super) fn decoded(name: &str) -> String {
    percent_decode_str(name).decode_utf8_lossy().replace("~1", "/").replace("~0", "~")
}

/// Returns the last segment of a type's module.
pub(super) fn module_of(schema_id: &str) -> String {
    let path = schema_id.split('<').next().unwrap_or(schema_id);
    let module = path.rsplit("::").nth(1).unwrap_or_default();
    module.trim_start_matches(|letter: char| !letter.is_alphanumeric()).trim_start_matches("r#").to_owned()
}

/// Returns `chat_room` as `ChatRoom`.
fn camel(module: &str) -> String {
    let words = module.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect::<String>()
    });
    key(&words.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(name: &str, module: &str, directions: &[Direction], contents: &str) -> Named {
        Named {
            name: name.to_owned(),
            directions: directions.to_vec(),
            module: module.to_owned(),
            is_module_known: true,
            contents: contents.to_owned(),
        }
    }

    #[test]
    fn types_of_one_name_are_distinguished_by_module_direction_and_number() {
        use Direction::{Received, Sent};
        let mut found = vec![
            ty("Order", "shop", &[Received], "1"),
            ty("Order", "shop", &[Sent], "2"),
            ty("Member", "chat_room", &[Sent], "3"),
            ty("Member", "shop", &[Received], "4"),
            ty("Member", "shop", &[Sent], "5"),
            ty("Local", "shop", &[Sent], "6"),
            ty("Local", "shop", &[Sent], "7"),
            ty("Asked", "room", &[Received], "8"),
            ty("Asked", "shop", &[Sent], "9"),
            ty("Local2", "shop", &[Sent], "a"),
            ty("Only", "shop", &[Received], "b"),
        ];
        let expected = [
            "OrderInput",
            "Order",
            "ChatRoomMember",
            "ShopMemberInput",
            "ShopMember",
            "Local",
            "Local3",
            "RoomAsked",
            "ShopAsked",
            "Local2",
            "Only",
        ];
        assert_eq!(named(&found), expected);
        found.reverse();
        let mut reversed = named(&found);
        reversed.reverse();
        assert_eq!(reversed, expected, "the order does not matter");
    }

    #[test]
    fn the_module_of_a_type_is_its_own_as_soon_as_it_is_known() {
        let inside =
            |module: &str| Named { is_module_known: false, ..ty("Money", module, &[Direction::Sent], "1") };
        let mut found = inside("shop");
        assert!(found.unite(&inside("room")));
        assert_eq!(found.module, "room");
        assert!(found.unite(&ty("Money", "values", &[Direction::Received], "1")));
        assert!(found.unite(&inside("a")));
        assert_eq!((found.module.as_str(), found.directions.len()), ("values", 2));
        assert!(!found.unite(&ty("Money", "values", &[Direction::Sent], "2")));
    }

    #[test]
    fn names_are_keys_and_modules_are_the_last_segment() {
        assert_eq!(key("Page<a/b>"), "Page_a_b_");
        assert_eq!(decoded("Page%3Ca~1b%3E~0"), "Page<a/b>~");
        assert_eq!(module_of("demo::chat_room::Said"), "chat_room");
        assert_eq!(module_of("demo::page::Page<demo::room::Said>"), "page");
        assert_eq!(module_of("[demo::room::Said]"), "room");
        assert_eq!(module_of("demo::r#type::Said"), "type");
        assert_eq!(module_of("uint8"), "");
        assert_eq!(camel("chat_room"), "ChatRoom");
    }
}
