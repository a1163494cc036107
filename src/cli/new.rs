//! `colo new strategy`: a crate of a user's own, one file, that is the whole command line with the user's strategy in it.
//!
//! What it writes is `templates/strategy`, a strategy called `joiner`, under the name that was asked for. The crate depends on `colo` alone, by the folder that this program was
//! built from, or by what `--colo` names; the lock file goes with it, so that what is built there is what was tested here.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Exit, Failure, Outcome, Registry};

/// Where this program's sources were when it was built: the folder, or cargo's own checkout of a repository.
const HOME: &str = env!("CARGO_MANIFEST_DIR");
/// The first of the ports of a venue on this host, and how many it takes.
const PORTS: (u16, u16) = (26_001, 5);
/// Blocks of ports that are looked at.
const BLOCKS: u16 = 100;
/// Longest name.
const NAME_MAX: usize = 32;

/// What a crate is made of: its path, and the text in which `joiner` stands for its name.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../../templates/strategy/manifest.toml")),
    ("src/main.rs", include_str!("../../templates/strategy/main.rs")),
    ("colo.toml", include_str!("../../templates/strategy/colo.toml")),
    ("exchange.toml", include_str!("../../templates/strategy/exchange.toml")),
    ("day.toml", include_str!("../../templates/strategy/day.toml")),
    ("README.md", include_str!("../../templates/strategy/README.md")),
    (".gitignore", include_str!("../../templates/strategy/gitignore")),
];

/// Makes something to begin with.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A crate with a strategy of your own: one file, its tests included, and configurations to try it with
    #[command(after_help = "\
Examples:
  colo new strategy joiner
  colo new strategy joiner --path strategies/joiner --colo https://example.com/colo.git

Nothing that is there is written over. The crate's program is the whole command line, with the strategy beside those that come with it.
docs/tutorial.md goes on from there.")]
    Strategy(Strategy),
}

#[derive(Debug, clap::Args)]
struct Strategy {
    /// Its name, of the crate and in configurations: small letters, digits, `_` and `-`
    name: String,
    /// The folder to make; the name where it is left out
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// colo's sources, as a folder or a git address; the folder that this program was built from where it is left out
    #[arg(long, value_name = "DIR|URL")]
    colo: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// A name that is none (2), a folder that is there already or cannot be written (1).
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    let What::Strategy(args) = &args.what;
    check_name(&args.name, registry)?;
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let home = Home::find(args.colo.as_deref())?;
    write(&folder, &args.name, &home)?;
    let at = folder.display();
    super::print(&format!(
        "{at}: the strategy {:?} in src/main.rs\n  cd {at}\n  cargo test\n  cargo run -- demo --strategy {}\n",
        args.name, args.name
    ));
    Ok(Exit::Ok)
}

/// A crate's name that is a word of a configuration too, and no other strategy's.
fn check_name(name: &str, registry: &Registry) -> Result<(), Failure> {
    let refused = |why: &str| Err(Failure::with(Exit::Usage, format!("{name:?} {why}")));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(plain)
        || name.len() > NAME_MAX
    {
        return refused("is no name: a small letter, then small letters, digits, `_` and `-`, 32 in all");
    }
    // What cargo does not take as a package, and what a dependency would be confused with.
    let taken = [
        "test",
        "core",
        "std",
        "alloc",
        "proc-macro",
        "proc_macro",
        "colo",
        "build",
        "deps",
        "examples",
        "incremental",
    ];
    let keywords = [
        "as", "async", "await", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum",
        "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match",
        "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct",
        "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where",
        "while", "yield",
    ];
    if taken.contains(&name) || keywords.contains(&name) {
        return refused("cannot be the name of a crate");
    }
    if registry.find(name).is_some() {
        return refused("is the name of a strategy that this program has");
    }
    Ok(())
}

/// Where a crate finds colo.
enum Home {
    Folder(PathBuf),
    Git(String),
}

impl Home {
    /// By what was asked for, or where this program comes from.
    fn find(asked: Option<&str>) -> Result<Home, Failure> {
        if let Some(url) = asked.filter(|a| a.contains("://") || a.starts_with("git@")) {
            return Ok(Home::Git(url.to_owned()));
        }
        let folder = Path::new(asked.unwrap_or(HOME));
        let is_colo =
            fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|t| t.contains("name = \"colo\""));
        match folder.canonicalize() {
            Ok(folder) if is_colo => Ok(Home::Folder(folder)),
            _ => {
                let why = format!(
                    "{}: not the sources of colo; name their folder or git address with --colo",
                    folder.display()
                );
                Err(Failure::with(Exit::Usage, why))
            }
        }
    }

    /// As a dependency.
    fn dependency(&self) -> String {
        match self {
            Home::Folder(folder) => format!("colo = {{ path = {:?} }}", folder.display().to_string()),
            Home::Git(url) => format!("colo = {{ git = {url:?} }}"),
        }
    }

    fn words(&self) -> String {
        match self {
            Home::Folder(folder) => folder.display().to_string(),
            Home::Git(url) => url.clone(),
        }
    }
}

/// Writes the crate into a folder that is not there, or is empty.
fn write(folder: &Path, name: &str, home: &Home) -> Result<(), Failure> {
    let failed = |path: &Path, e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
    let is_new = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
        Err(e) => return Err(failed(folder, e)),
    };
    if !is_new {
        return Err(Failure::new(format!("{}: is there, and is not empty", folder.display())));
    }
    let source = folder.join("src");
    fs::create_dir_all(&source).map_err(|e| failed(&source, e))?;
    let first = free_block();
    for (path, text) in FILES {
        let file = folder.join(path);
        fs::write(&file, written(text, name, home, first)).map_err(|e| failed(&file, e))?;
    }
    let password = folder.join("sim.password");
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&password);
    made.and_then(|mut f| f.write_all(b"simulated\n")).map_err(|e| failed(&password, e))?;
    if let Home::Folder(home) = home {
        // A colo that was vendored without one is built with what cargo finds.
        let lock = folder.join("Cargo.lock");
        if home.join("Cargo.lock").exists() {
            fs::copy(home.join("Cargo.lock"), &lock).map_err(|e| failed(&lock, e))?;
        }
    }
    Ok(())
}

/// A template under its name, with ports that nobody listens at.
fn written(text: &str, name: &str, home: &Home, first: u16) -> String {
    let mut out = text.replace("Joiner", &type_name(name)).replace("joiner", name);
    out = out.replace("COLO_HOME", &home.words()).replace("\nCOLO\n", &format!("\n{}\n", home.dependency()));
    for k in 0..PORTS.1 {
        out = out.replace(&format!("127.0.0.1:{}", PORTS.0 + k), &format!("127.0.0.1:{}", first + k));
    }
    out
}

/// `mean-reverter_2` as a type: `MeanReverter2`.
fn type_name(name: &str) -> String {
    let words = name.split(['-', '_']).filter(|w| !w.is_empty());
    words.map(|w| w[..1].to_ascii_uppercase() + &w[1..]).collect()
}

/// The first of so many ports in a row that nobody listens at, neither for packets nor for connections. Where all are taken, as a machine full of venues has them, the first of all.
fn free_block() -> u16 {
    let is_free = |port: u16| {
        UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()
    };
    let block = |first: &u16| (0..PORTS.1).all(|k| is_free(first + k));
    (0..BLOCKS).map(|k| PORTS.0 + 10 * k).find(block).unwrap_or(PORTS.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_crates_a_configurations_and_a_types() {
        let registry = Registry::new(&[]);
        for bad in
            ["", "Upper", "1st", "-x", "a b", "a/b", "../x", "quoter", "fn", "core", "colo", &"x".repeat(33)]
        {
            assert_eq!(check_name(bad, &registry).unwrap_err().exit, Exit::Usage, "{bad:?}");
        }
        for good in ["joiner", "mean-reverter_2", "x"] {
            assert!(check_name(good, &registry).is_ok(), "{good:?}");
        }
        assert_eq!(type_name("mean-reverter_2"), "MeanReverter2");
    }

    #[test]
    fn no_mark_of_the_template_is_left() {
        let home = Home::Git("https://example.com/colo.git".into());
        for (path, text) in FILES {
            let text = written(text, "skimmer", &home, 40_001);
            for mark in ["joiner", "Joiner", "COLO", "127.0.0.1:26"] {
                assert!(!text.contains(mark), "{path}: {mark} is left");
            }
        }
    }
}
