//! Writes the implementations of an event type. It cannot fail.
//!
//! The type is a reply if it implements `Serialize`. A type that is only received compiles without
//! it. The bound has a lifetime that it does not use: rustc refuses a bound without a lifetime at
//! the implementation, and checks a bound with one where the implementation is used.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, ExprLit, Ident, WherePredicate, parse_quote};

use super::model::{Event, Reply};
use crate::source::{ends, placed, start};

/// Writes the implementations.
pub(super) fn implementations(event: &Event) -> TokenStream {
    let alias = event.krate.alias();
    let ident = placed(&event.ident);
    let (impls, types, wheres) = event.generics.split_for_impl();
    let (name, docs, is_ask) = (&event.name, &event.docs, event.answer.is_some());
    let name_value = quote_spanned!(start(name)=> #name);
    let check = (!is_literal(name)).then(|| name_check(event));
    let replies = match &event.reply {
        None => quote!(__h::AnyReply),
        Some(Reply::One(data)) => quote!(__h::OneReply<#data>),
        Some(Reply::Many(data)) => quote!(__h::ManyReplies<#data>),
    };
    let call = event.reply.as_ref().map(|(Reply::One(data) | Reply::Many(data))| {
        quote! {
            #[automatically_derived]
            impl #impls __ws::handlers::WsCall for #ident #types #wheres {
                type Reply = #data;
            }
        }
    });
    let ask = event.answer.as_ref().map(|answer| {
        quote! {
            #[automatically_derived]
            impl #impls __ws::handlers::WsAsk for #ident #types #wheres {
                type Answer = #answer;
            }
        }
    });
    let reply = into_reply(event);
    let describe = describe(event);
    quote! {
        #[allow(deprecated, single_use_lifetimes, unused_lifetimes)]
        const _: () = {
            #alias
            use __ws::__private::handlers as __h;
            #[automatically_derived]
            impl #impls __ws::WsEvent for #ident #types #wheres {
                type Replies = #replies;
                const NAME: &'static str = #name_value;
                const DOCS: &'static str = #docs;
                const IS_ASK: bool = #is_ask;
                #describe
            }
            #check
            #call
            #ask
            #reply
        };
    }
}

/// Implements the reply under the type's own name.
fn into_reply(event: &Event) -> TokenStream {
    let ident = placed(&event.ident);
    let (impls, types, wheres) = event.generics.split_for_impl();
    let mut sendable = event.generics.clone();
    let is_sendable: WherePredicate = parse_quote! {
        for<'__ws> #ident #types: __h::Serialize + ::core::marker::Send
    };
    sendable.make_where_clause().predicates.push(is_sendable);
    let (_, _, is_sendable) = sendable.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impls __h::Carries for #ident #types #wheres {
            type Replies = __h::OneReply<Self>;
            type Error = __h::Nothing;
        }
        #[automatically_derived]
        impl #impls __ws::handlers::IntoReply for #ident #types #is_sendable {
            const NAME: __ws::handlers::ReplyName =
                __ws::handlers::ReplyName::Own(<Self as __ws::WsEvent>::NAME);

            fn reply(
                self,
                __to: &__ws::handlers::Replier<'_>,
            ) -> impl ::core::future::Future<Output = __ws::Result> + ::core::marker::Send {
                __h::send_own(__to, &self)
            }

            fn start<'__r>(self, __to: &'__r __ws::handlers::Replier<'_>) -> __h::Sending<'__r>
            where
                Self: '__r,
            {
                __h::send_own(__to, &self)
            }
        }
    }
}

/// Writes the constant that describes the types; nothing in a build without documents.
fn describe(event: &Event) -> TokenStream {
    if !cfg!(feature = "asyncapi") {
        return TokenStream::new();
    }
    let [schemas, direction] = ["__schemas", "__direction"].map(|name| Ident::new(name, Span::mixed_site()));
    let none = quote!(::core::option::Option::None);
    let reply = event.reply.as_ref().map_or_else(
        || none.clone(),
        |reply| {
            let (is_stream, data) = match reply {
                Reply::One(data) => (false, data),
                Reply::Many(data) => (true, data),
            };
            quote! {
                ::core::option::Option::Some(__h::DeclaredReply {
                    is_stream: #is_stream,
                    event: __h::EventOf::<#data>::new().event(),
                    data: __h::SchemaOf::<#data>::new().get(#schemas, __h::Direction::Sent),
                })
            }
        },
    );
    let answer = event.answer.as_ref().map_or(none, |answer| {
        quote! {
            ::core::option::Option::Some(
                __h::SchemaOf::<#answer>::new().get(#schemas, __h::Direction::Received)
            )
        }
    });
    quote! {
        const DESCRIBE: ::core::option::Option<__h::DescribeEvent> =
            __ws::__private::describe!(|#schemas, #direction| {
                use __h::{NoSchema as _, NotAnEvent as _};
                __h::EventTypes {
                    data: __h::SchemaOf::<Self>::new().get(#schemas, #direction),
                    reply: #reply,
                    answer: #answer,
                }
            });
    }
}

/// Writes the check of a name that only rustc can evaluate.
fn name_check(event: &Event) -> TokenStream {
    let name = &event.name;
    let (first, last) = ends(name);
    let check = quote_spanned!(first=> __h::rules::check);
    let broken = quote_spanned!(last=> (__h::rules::has_free_name(#name)));
    quote!(const _: () = #check #broken;)
}

fn is_literal(name: &Expr) -> bool {
    matches!(name, Expr::Lit(ExprLit { .. }))
}
