//! Names for addresses of this process: modules from /proc/self/maps, functions and lines from debug information by
//! addr2line. Runs after the measuring, never in a signal handler.

use std::collections::HashMap;
use std::path::Path;

use addr2line::Loader;
use procfs::process::{MMPermissions, MMapPath, Process};

use crate::record::name::short_path;
use crate::record::stacks::{Frame, Location, Module};

/// The modules of the process, and what names them.
pub(super) struct Symbols {
    modules: Vec<Loaded>,
    folder: String,
}

struct Loaded {
    module: Module,
    /// Where the file's first byte lies in memory.
    base: u64,
    loader: Option<Loader>,
}

impl Symbols {
    /// Reads what is mapped now. Files without symbols still name their addresses by module.
    pub(super) fn load() -> Self {
        let folder = std::env::current_dir().map(|path| format!("{}/", path.display())).unwrap_or_default();
        let mut symbols = Self { modules: Vec::new(), folder };
        let Ok(maps) = Process::myself().and_then(|process| process.maps()) else { return symbols };
        let program = std::env::current_exe().ok();
        let mut bases: HashMap<std::path::PathBuf, u64> = HashMap::new();
        for map in maps {
            let MMapPath::Path(path) = map.pathname else { continue };
            let base = *bases.entry(path.clone()).or_insert(map.address.0.saturating_sub(map.offset));
            if !map.perms.contains(MMPermissions::EXECUTE) {
                continue;
            }
            let is_program = program.as_deref() == Some(path.as_path());
            let module = Module {
                path: path.display().to_string(),
                start: map.address.0,
                limit: map.address.1,
                offset: map.offset,
                program: is_program,
            };
            symbols.modules.push(Loaded { module, base, loader: Loader::new(&path).ok() });
        }
        symbols
    }

    /// The modules, for a set of stacks.
    pub(super) fn modules(&self) -> Vec<Module> {
        self.modules.iter().map(|loaded| loaded.module.clone()).collect()
    }

    /// The module that an address lies in.
    pub(super) fn module_of(&self, address: u64) -> Option<u32> {
        let inside = |loaded: &Loaded| (loaded.module.start..loaded.module.limit).contains(&address);
        self.modules.iter().position(inside).map(|index| index as u32)
    }

    /// The functions at an address. `lookup` is the address whose line is wanted: for a return address the byte before.
    pub(super) fn locate(&self, address: u64, lookup: u64) -> Location {
        let module = self.module_of(address);
        let mut frames = Vec::new();
        if let Some(loaded) = module.and_then(|index| self.modules.get(index as usize)) {
            if let Some(loader) = &loaded.loader {
                let inside = lookup.wrapping_sub(loaded.base).wrapping_add(loader.relative_address_base());
                self.name(loader, inside, &mut frames);
            }
            if frames.is_empty() {
                let file = Path::new(&loaded.module.path).file_name();
                let name = file.map_or_else(|| "unknown".into(), |name| name.to_string_lossy());
                frames.push(Frame { function: format!("[{name}]"), ..Frame::default() });
            }
        } else {
            frames.push(Frame { function: "[unknown]".to_owned(), ..Frame::default() });
        }
        Location { address, module, frames }
    }

    fn name(&self, loader: &Loader, address: u64, frames: &mut Vec<Frame>) {
        if let Ok(mut inlined) = loader.find_frames(address) {
            while let Ok(Some(frame)) = inlined.next() {
                let Some(function) = frame.function.as_ref().and_then(|name| name.raw_name().ok().map(demangle)) else {
                    continue;
                };
                let location = frame.location.as_ref();
                let file = location.and_then(|at| at.file).map(|file| self.short(file));
                frames.push(Frame { function, file, line: location.and_then(|at| at.line) });
            }
        }
        if frames.is_empty()
            && let Some(symbol) = loader.find_symbol(address)
        {
            frames.push(Frame { function: demangle(symbol), ..Frame::default() });
        }
    }

    /// A source file's path as a reader knows it: below the current folder, the registry or the compiler's sources.
    fn short(&self, path: &str) -> String {
        if let Some(rest) = path.strip_prefix(&self.folder) {
            return rest.to_owned();
        }
        short_path(path)
    }
}

fn demangle(name: impl AsRef<str>) -> String {
    format!("{:#}", rustc_demangle::demangle(name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn here() -> u64 {
        here as fn() -> u64 as usize as u64
    }

    #[test]
    fn an_address_of_this_program_has_its_function_file_and_line() {
        let symbols = Symbols::load();
        let location = symbols.locate(here(), here());
        let frame = location.frames.last().expect("a frame");
        assert!(frame.function.ends_with("tests::here"), "{frame:?}");
        assert!(frame.file.as_deref().is_some_and(|file| file.ends_with("src/probe/symbols.rs")), "{frame:?}");
        assert!(symbols.modules()[location.module.expect("a module") as usize].program);
    }
}
