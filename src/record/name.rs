//! Function names as people read them: closures and type parameters folded, runtime plumbing told from the program's
//! code. Pure text; escaping for a format is that format's writer's work.

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

/// `Type as Trait` in short: the type's path without parameters, the trait's last segment.
fn qualified(inner: &str) -> String {
    match split_top(inner, " as ") {
        Some((kind, of)) => {
            let of = segments(of);
            let last = of.rsplit("::").next().unwrap_or(&of);
            format!("<{} as {last}>", kind_name(kind))
        }
        None => kind_name(inner),
    }
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
/// assert!(!is_plumbing("shop::checkout", true));
/// assert!(!is_plumbing("perfkit::workload::builtin::chat::tokenizer::naive_tokenize", true));
/// ```
#[must_use]
pub fn is_plumbing(name: &str, in_program: bool) -> bool {
    if !in_program {
        return true;
    }
    let name = name.trim_start_matches(['<', '&']);
    let name = name.strip_prefix("mut ").or_else(|| name.strip_prefix("dyn ")).unwrap_or(name);
    let Some((first, rest)) = name.split_once("::") else {
        // Without a path: a C symbol of the program, or the start of it.
        return matches!(name, "main" | "_start" | "[unknown]") || name.starts_with("__") || name.starts_with('[');
    };
    // A bare type parameter or a primitive: `<F as FnOnce>::call_once`, `<[T] as ToOwned>`.
    if first.contains(" as ") || first.starts_with(['[', '(']) {
        return true;
    }
    if first == "perfkit" {
        let part = rest.split("::").next().unwrap_or(rest);
        let part = part.split(['<', ' ', '>']).next().unwrap_or(part);
        return HARNESS.contains(&part) || rest.starts_with("workload::cl") || rest.starts_with("workload::current");
    }
    PLUMBING.contains(&first) || first.starts_with("__") || name.starts_with("hyper_util::rt::")
}

/// The crate that a readable name belongs to: the first word of its path; empty for names without a path.
///
/// ```
/// use perfkit::record::name::crate_of;
/// assert_eq!(crate_of("<&mut hyper::server::Conn as Future>::poll"), "hyper");
/// assert_eq!(crate_of("memcpy"), "");
/// ```
#[must_use]
pub fn crate_of(name: &str) -> &str {
    let name = name.trim_start_matches(['<', '&']);
    let name = name.strip_prefix("mut ").or_else(|| name.strip_prefix("dyn ")).unwrap_or(name);
    match name.split_once("::") {
        Some((first, _)) if first.chars().all(|c| c.is_alphanumeric() || c == '_') => first,
        _ => "",
    }
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
            ("<[u8; 4] as shop::T>::f", "<[u8; 4] as T>::f"),
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
}
