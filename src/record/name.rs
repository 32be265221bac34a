//! Function names as people read them: closures and type parameters folded, runtime plumbing told from the program's
//! code. Pure text; escaping for a format is that format's writer's work.

use std::panic::Location;

/// A function's name without its closures, its type parameters and its hash.
///
/// ```
/// use perfkit::record::name::readable;
/// assert_eq!(readable("shop::cart::add::{{closure}}::{{closure}}"), "shop::cart::add");
/// assert_eq!(readable("<shop::Cart<T> as shop::Total>::sum::{closure#0}"), "<shop::Cart as Total>::sum");
/// assert_eq!(readable("alloc::vec::Vec<[u8; 4],A>::push"), "alloc::vec::Vec::push");
/// assert_eq!(readable("memcpy"), "memcpy");
/// ```
#[must_use]
pub fn readable(name: &str) -> String {
    let text = segments(name);
    if text.is_empty() { name.to_owned() } else { text }
}

/// Whether the true name is that of a closure or an async body: such a frame belongs to the function around it.
#[must_use]
pub fn is_closure(name: &str) -> bool {
    name.ends_with('}') && (name.contains("{{closure}}") || name.contains("{closure"))
}

/// Joins the path's segments, leaving out closures and type parameters.
fn segments(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for segment in split_path(name) {
        if segment.starts_with('{') {
            continue;
        }
        let plain = if let Some(inner) = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            // `::<T>` in the middle of a path is a type parameter; at its start it is a qualified type.
            if out.is_empty() { qualified(inner) } else { continue }
        } else {
            segment.split(['<', '{']).next().unwrap_or(segment).to_owned()
        };
        if plain.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push_str("::");
        }
        out.push_str(&plain);
    }
    out
}

/// `Type as Trait` in short: the type's path without parameters, the trait's last segment; its whole path where the trait
/// is the program's and the type is not, because then the trait says whose code it is.
fn qualified(inner: &str) -> String {
    match split_top(inner, " as ") {
        Some((kind, of)) => {
            let (kind, of) = (kind_name(kind), segments(of));
            let last = of.rsplit("::").next().unwrap_or(&of);
            let told_by_trait = is_runtime(first_word(&kind)) && !is_runtime(first_word(&of));
            format!("<{kind} as {}>", if told_by_trait { &of } else { last })
        }
        None => kind_name(inner),
    }
}

/// The first word of a path; empty for what is no path: a type parameter, an array, a primitive.
fn first_word(path: &str) -> &str {
    let path = path.trim_start_matches(['<', '&']);
    let path = path.strip_prefix("mut ").or_else(|| path.strip_prefix("dyn ")).unwrap_or(path);
    match path.split_once("::") {
        Some((first, _)) if first.chars().all(|c| c.is_alphanumeric() || c == '_') => first,
        _ => "",
    }
}

/// Whether a crate says how code is run; so does a type without a crate.
fn is_runtime(of: &str) -> bool {
    of.is_empty() || PLUMBING.contains(&of)
}

/// A type's name: references kept, parameters left out.
fn kind_name(kind: &str) -> String {
    // Of `dyn A + Send` the first says what it is.
    let kind = split_top(kind, " + ").map_or(kind, |(first, _)| first).trim();
    for sign in ["&mut ", "&", "dyn "] {
        if let Some(rest) = kind.strip_prefix(sign) {
            return format!("{sign}{}", kind_name(rest));
        }
    }
    if kind.starts_with(['[', '(']) { kind.to_owned() } else { segments(kind) }
}

/// Splits at `::` outside all brackets.
fn split_path(name: &str) -> Vec<&str> {
    let bytes = name.as_bytes();
    let (mut parts, mut depth, mut start, mut index) = (Vec::new(), 0i32, 0, 0);
    while index < bytes.len() {
        match bytes[index] {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if index > 0 && bytes[index - 1] == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth -= 1,
            b':' if depth <= 0 && bytes.get(index + 1) == Some(&b':') => {
                parts.push(&name[start..index]);
                index += 1;
                start = index + 1;
            }
            _ => {}
        }
        index += 1;
    }
    parts.push(&name[start..]);
    parts
}

/// Splits once at a separator outside all brackets.
fn split_top<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0i32;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' if index > 0 && text.as_bytes()[index - 1] == b'-' => {}
            b'>' | b')' | b']' => depth -= 1,
            _ if depth == 0 && text.is_char_boundary(index) && text[index..].starts_with(separator) => {
                return Some((&text[..index], &text[index + separator.len()..]));
            }
            _ => {}
        }
    }
    None
}

/// Crates whose frames say how code is run, not what it does.
const PLUMBING: &[&str] = &[
    "alloc",
    "backtrace",
    "core",
    "dhat",
    "futures_core",
    "futures_task",
    "futures_util",
    "mio",
    "parking_lot",
    "parking_lot_core",
    "pin_project_lite",
    "pprof",
    "scheduled_thread_pool",
    "signal_hook",
    "std",
    "tokio",
    "tokio_metrics",
    "tokio_stream",
    "tokio_util",
    "tracing",
    "tracing_core",
    "tracing_subscriber",
];

/// The parts of perfkit that drive and watch; its built-in workloads are the program's code.
const HARNESS: &[&str] = &["cli", "experiment", "heap", "load", "probe", "record", "service", "suite"];

/// Whether a frame is runtime plumbing: tokio, the standard library, the C library, perfkit's own harness.
///
/// `in_program` says that the frame's address lies in the program's own file rather than in a shared library.
///
/// ```
/// use perfkit::record::name::is_plumbing;
/// assert!(is_plumbing("tokio::runtime::task::harness::poll_future", true));
/// assert!(is_plumbing("<core::pin::Pin<P> as core::future::future::Future>::poll", true));
/// assert!(is_plumbing("__memmove_avx_unaligned_erms", false));
/// assert!(!is_plumbing("<[u8; 4] as shop::Price>::show", true));
/// assert!(!is_plumbing("shop::checkout", true));
/// assert!(!is_plumbing("perfkit::workload::builtin::chat::tokenizer::naive_tokenize", true));
/// ```
#[must_use]
pub fn is_plumbing(name: &str, in_program: bool) -> bool {
    if !in_program {
        return true;
    }
    if !name.contains("::") {
        // A C symbol of the program, or the start of it.
        return matches!(name, "main" | "_start" | "[unknown]") || name.starts_with("__") || name.starts_with('[');
    }
    let of = crate_of(name);
    if of == "perfkit" {
        let (_, rest) = name.split_once("perfkit::").unwrap_or(("", name));
        let part = rest.split("::").next().unwrap_or(rest);
        let part = part.split(['<', ' ', '>']).next().unwrap_or(part);
        return HARNESS.contains(&part) || rest.starts_with("workload::cl") || rest.starts_with("workload::current");
    }
    is_runtime(of) || of.starts_with("__") || name.trim_start_matches('<').starts_with("hyper_util::rt::")
}

/// Whether a function is perfkit's own: what drives and watches, not what is driven.
///
/// ```
/// use perfkit::record::name::is_harness;
/// assert!(is_harness("perfkit::load::collect::Inlet::push"));
/// assert!(!is_harness("perfkit::workload::builtin::chat::server::serve") && !is_harness("shop::cart"));
/// ```
#[must_use]
pub fn is_harness(name: &str) -> bool {
    crate_of(name) == "perfkit" && is_plumbing(name, true)
}

/// The crate that a function belongs to: the first word of its path. Of `<Type as Trait>` it is the type's crate, or the
/// trait's where the type is of the runtime or of no crate. Empty for names without a path.
///
/// ```
/// use perfkit::record::name::crate_of;
/// assert_eq!(crate_of("<&mut hyper::server::Conn as Future>::poll"), "hyper");
/// assert_eq!(crate_of("<[u8; 4] as shop::Price>::show"), "shop");
/// assert_eq!(crate_of("memcpy"), "");
/// ```
#[must_use]
pub fn crate_of(name: &str) -> &str {
    let qualified = name.strip_prefix('<').and_then(|inner| split_top(inner, " as "));
    match qualified {
        Some((kind, of)) => match (first_word(kind), first_word(of)) {
            (kind, of) if is_runtime(kind) && !of.is_empty() => of,
            (kind, _) => kind,
        },
        None => first_word(name),
    }
}

/// Text of unknown origin for a terminal: what would steer it is shown as a replacement character; line breaks stay.
///
/// ```
/// use perfkit::record::name::visible;
/// assert_eq!(visible("a\u{1b}[2Jb\nc"), "a\u{FFFD}[2Jb\nc");
/// ```
#[must_use]
pub fn visible(text: &str) -> String {
    let hidden = |letter: char| {
        (letter.is_control() && letter != '\n')
            || matches!(letter, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if hidden(letter) { '\u{FFFD}' } else { letter }).collect()
}

/// Whether a source file belongs to a library from a registry (`hyper-1.12.0/src/…`) or to the compiler's own.
///
/// ```
/// use perfkit::record::name::is_library_file;
/// assert!(is_library_file("hyper-util-0.1.21/src/rt/tokio.rs") && is_library_file("library/std/src/fs.rs"));
/// assert!(!is_library_file("src/main.rs") && !is_library_file("shop-2/src/cart.rs"));
/// ```
#[must_use]
pub fn is_library_file(file: &str) -> bool {
    let first = file.split('/').next().unwrap_or(file);
    let versioned = first.rsplit_once('-').is_some_and(|(_, version)| {
        version.split('.').count() >= 3 && version.starts_with(|c: char| c.is_ascii_digit())
    });
    versioned || first == "library"
}

/// Where a task was spawned: `src/shop.rs:10:5`.
pub(crate) fn spawn_site(at: &Location<'_>) -> String {
    format!("{}:{}:{}", short_path(at.file()), at.line(), at.column())
}

/// Without what differs between machines: the registry's folder, the compiler's commit.
pub(crate) fn short_path(path: &str) -> String {
    if let Some(rest) = path.strip_prefix("/rustc/") {
        return rest.split_once('/').map_or(rest, |(_, rest)| rest).to_owned();
    }
    if let Some((_, rest)) = path.split_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, rest)| rest).to_owned();
    }
    if let Some((_, rest)) = path.split_once("/lib/rustlib/src/rust/") {
        return rest.to_owned();
    }
    // Somewhere else on this machine: only the package's folder tells a reader something.
    match (path.starts_with('/'), path.rsplit_once("/src/")) {
        (true, Some((package, rest))) => format!("{}/src/{rest}", package.rsplit('/').next().unwrap_or(package)),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generics_closures_and_hashes_are_folded() {
        let cases = [
            ("core::ptr::drop_in_place<alloc::vec::Vec<u8>>", "core::ptr::drop_in_place"),
            ("<F as core::ops::FnOnce<(A, B)>>::call_once", "<F as FnOnce>::call_once"),
            ("<shop::Cart>::total", "shop::Cart::total"),
            ("<dyn shop::Price + Send>::show", "dyn shop::Price::show"),
            ("shop::pick::<u8, {closure#3}>", "shop::pick"),
            (
                "<&dyn core::ops::Fn<()> + core::marker::Sync as core::ops::FnOnce<()>>::call_once",
                "<&dyn core::ops::Fn as FnOnce>::call_once",
            ),
            ("core::ops::function::FnOnce::call_once{{vtable.shim}}", "core::ops::function::FnOnce::call_once"),
            ("{{closure}}", "{{closure}}"),
            ("<[u8; 4] as shop::T>::f", "<[u8; 4] as shop::T>::f"),
            ("<alloc::vec::Vec<u8> as shop::T>::f", "<alloc::vec::Vec as shop::T>::f"),
            ("fn_taking::<fn(u8) -> u8>::call", "fn_taking::call"),
            ("", ""),
        ];
        for (raw, want) in cases {
            assert_eq!(readable(raw), want, "{raw}");
        }
    }

    #[test]
    fn unbalanced_and_foreign_names_do_not_panic() {
        for raw in ["<<<", ">>>", "a::<b", "]::[", "日本::語<é", "::", "<a as "] {
            let _ = (readable(raw), is_plumbing(raw, true));
        }
    }

    #[test]
    fn paths_lose_what_differs_between_machines() {
        let cases = [
            ("/rustc/0123abc/library/std/src/fs.rs", "library/std/src/fs.rs"),
            ("/home/a/.cargo/registry/src/index.x-1f/tokio-1.54.1/src/a.rs", "tokio-1.54.1/src/a.rs"),
            ("/somewhere/shop/src/cart/mod.rs", "shop/src/cart/mod.rs"),
            ("src/main.rs", "src/main.rs"),
        ];
        for (path, want) in cases {
            assert_eq!(short_path(path), want);
        }
    }
}
