//! Writes the codes of an error type and its registration. It cannot fail.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::model::{ErrorType, PublicPart};
use crate::source::{at, placed};

/// Writes the codes and the entry. rustc reports a type that is not an error, at the type's name.
pub(super) fn registration(error_type: &ErrorType) -> TokenStream {
    let alias = error_type.krate.alias();
    let ident = placed(&error_type.ident);
    let name = error_type.name();
    let codes = error_type.parts.iter().filter(|part| part.is_first).map(|part| {
        let PublicPart { conditions, code, description, .. } = part;
        quote!(#(#conditions)* (#code, #description))
    });
    let arms = error_type.parts.iter().map(arm);
    let find = quote_spanned!(at(ident.span())=> __ws::__private::PublicPart::find::<#ident>);
    quote! {
        #[allow(deprecated)]
        const _: () = {
            #alias
            #[automatically_derived]
            impl __ws::error::ErrorCodes for #ident {
                const CODES: &'static [(&'static str, &'static str)] = &[#(#codes),*];

                fn public_part(&self) -> ::core::option::Option<__ws::__private::PublicPart> {
                    #[allow(unreachable_patterns)]
                    match self {
                        #(#arms,)*
                        _ => ::core::option::Option::None,
                    }
                }
            }
            __ws::__private::submit! {
                __ws::__private::ErrorTypeEntry {
                    name: #name,
                    location: __ws::__private::location!(),
                    find: #find,
                }
            }
        };
    }
}

/// Writes the part of one variant, or of the struct.
fn arm(part: &PublicPart) -> TokenStream {
    let PublicPart { variant, conditions, code, .. } = part;
    let pattern = match variant {
        Some(variant) => quote!(Self::#variant { .. }),
        None => quote!(Self { .. }),
    };
    let (status, close) = (option(part.status), option(part.close));
    quote! {
        #(#conditions)*
        #pattern => ::core::option::Option::Some(__ws::__private::PublicPart {
            code: #code,
            status: #status,
            close: #close,
        })
    }
}

fn option(number: Option<u16>) -> TokenStream {
    match number {
        Some(number) => quote!(::core::option::Option::Some(#number)),
        None => quote!(::core::option::Option::None),
    }
}
