//! What the attributes accept, and what they refuse in which words.
//!
//! A fixture in `ui/fail` is named after its mistake and stands beside what the compiler says about it; one in `ui/pass`
//! is named after what has to work. After a change of words run with `TRYBUILD=overwrite` and read the difference.

#[test]
fn mistakes_are_named_where_they_stand() {
    let fixtures = trybuild::TestCases::new();
    fixtures.compile_fail("ui/fail/*.rs");
}

#[test]
fn what_is_promised_compiles() {
    let fixtures = trybuild::TestCases::new();
    fixtures.pass("ui/pass/*.rs");
}
