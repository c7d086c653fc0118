//! The shape of the functions under an attribute.
//!
//! Only the shape is checked here: `async`, the number of parameters, no `self`, no generics except
//! lifetimes. rustc checks the types; no type is recognised by its name. Each fault of a function
//! is reported, and the first report includes the correct signature.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, FnArg, GenericParam, Ident, PatType, ReturnType, Safety, Signature, Visibility,
    parse::{Parse, ParseStream, Result},
};

use crate::{errors::Errors, source};

/// A function whose body is not read.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    visibility: Visibility,
    pub(crate) signature: Signature,
    /// A group in braces, or the fragment `$body:block`, whose delimiters are invisible.
    body: TokenTree,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let (visibility, signature) = (input.parse()?, input.parse()?);
        if !input.peek(syn::token::Brace) {
            return Err(input.error("expected a body"));
        }
        Ok(Self { attributes, visibility, signature, body: input.parse()? })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body));
    }
}

/// The signature of one kind of function.
pub(crate) struct Card {
    /// The name of the kind: `a middleware`.
    pub(crate) role: &'static str,
    /// The required parameters.
    pub(crate) parameters: &'static [&'static str],
    /// The return type.
    pub(crate) output: &'static str,
    /// The description of further parameters.
    pub(crate) more: Option<&'static str>,
}

impl Card {
    /// Returns the whole signature, with the name of the user's function.
    pub(crate) fn usage(&self, name: &Ident) -> String {
        let parameters = self.parameters.join(", ");
        let more = self.more.map(|more| format!(", {more}")).unwrap_or_default();
        format!("{} is `async fn {name}({parameters}) -> {}`{more}", self.role, self.output)
    }

    /// Reads the function under the attribute.
    pub(crate) fn read(&self, item: TokenStream, errors: &mut Errors) -> Option<Signature> {
        match syn::parse2::<Function>(item) {
            Ok(function) => Some(function.signature),
            Err(error) => {
                let name = Ident::new("name", Span::call_site());
                errors.add_at(
                    error.span(),
                    format_args!("this is not a function with a body; {}", self.usage(&name)),
                );
                None
            }
        }
    }

    /// Reports the differences between a function and the card.
    pub(crate) fn check(&self, signature: &Signature, errors: &mut Errors) {
        let mut faults = Faults::new(self.role, &self.usage(&signature.ident), errors);
        faults.of_qualifiers(signature);
        faults.of_generics(signature);
        self.check_parameters(signature, &mut faults);
        if matches!(signature.output, ReturnType::Default) {
            faults.add_at(signature.paren_token.span.close(), format!("`-> {}` is missing", self.output));
        }
    }

    fn check_parameters(&self, signature: &Signature, faults: &mut Faults<'_>) {
        let role = self.role;
        if let Some(receiver) = signature.receiver() {
            let fault = format!("{role} is a free function; remove `self` and move it out of the `impl`");
            faults.add(receiver, fault);
        }
        if let Some(variadic) = &signature.variadic {
            faults.add(variadic, format!("{role} is not variadic"));
        }
        let count = typed(signature).count();
        if let Some(missing) = self.parameters.get(count..).filter(|missing| !missing.is_empty()) {
            let (noun, verb) = if missing.len() == 1 { ("parameter", "is") } else { ("parameters", "are") };
            let fault = format!("the {noun} `{}` {verb} missing", missing.join("`, `"));
            faults.add_at(signature.paren_token.span.close(), fault);
        }
        if self.more.is_none() {
            for extra in typed(signature).skip(self.parameters.len()) {
                faults.add(extra, format!("{role} takes no further parameters"));
            }
        }
    }
}

/// Returns the parameters without `self`.
pub(crate) fn typed(signature: &Signature) -> impl Iterator<Item = &PatType> {
    signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter),
        FnArg::Receiver(_) => None,
    })
}

/// The faults of one function. The first one includes the usage.
pub(crate) struct Faults<'e> {
    role: &'static str,
    usage: String,
    errors: &'e mut Errors,
}

impl<'e> Faults<'e> {
    /// Starts without faults.
    pub(crate) fn new(role: &'static str, usage: &str, errors: &'e mut Errors) -> Self {
        Self { role, usage: format!("; {usage}"), errors }
    }

    /// Checks that the function is `async`, and that nothing else is in front of `fn`.
    pub(crate) fn of_qualifiers(&mut self, signature: &Signature) {
        let role = self.role;
        if signature.asyncness.is_none() {
            self.add(signature.fn_token, format!("`{}` is not `async`", signature.ident));
        }
        if let Safety::Unsafe(token) = &signature.safety {
            self.add(token, format!("{role} is not `unsafe`"));
        }
        if let Some(abi) = &signature.abi {
            self.add(abi, format!("{role} must use the Rust ABI"));
        }
    }

    /// Checks that nothing is generic except lifetimes.
    pub(crate) fn of_generics(&mut self, signature: &Signature) {
        let role = self.role;
        for parameter in &signature.generics.params {
            if !matches!(parameter, GenericParam::Lifetime(_)) {
                self.add(parameter, format!("{role} is registered as one function, so it cannot be generic"));
            }
        }
        for PatType { ty, .. } in typed(signature) {
            if let Some(place) = source::find_impl(ty.to_token_stream()) {
                self.add_at(place, format!("{role} cannot be generic; name the type of this parameter"));
            }
        }
    }

    pub(crate) fn add(&mut self, tokens: impl ToTokens, fault: String) {
        self.errors.add(tokens, fault + &std::mem::take(&mut self.usage));
    }

    pub(crate) fn add_at(&mut self, place: Span, fault: String) {
        self.errors.add_at(place, fault + &std::mem::take(&mut self.usage));
    }
}
