//! A core's shared memory, scribbled over by another process: whoever looks at it gets a snapshot or a named error, in bounds and in bounded time.
#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::telemetry::publish::Publication;
use colo::telemetry::region_path;
use colo::telemetry::snapshot::Viewer;
use libfuzzer_sys::fuzz_target;
use model::Nanos;

struct Shared {
    name: String,
    file: File,
    /// As the core made it.
    sound: Vec<u8>,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let name = format!("fuzz-{}", std::process::id());
        let path = Path::new("fuzz.toml");
        let mut written: Written =
            parse_toml(include_str!("../seeds/config/first.toml"), path).expect("a configuration");
        written.name.clone_from(&name);
        let config = Config::resolve(written, path, Secrets::Skip).expect("a sound one");
        let agents = ["strategy", "cold"].map(String::from);
        let publication = Publication::create(&config, &agents, Nanos(77)).expect("room in shared memory");
        // It stays mapped for as long as the process runs.
        std::mem::forget(publication);
        let file = File::options().read(true).write(true).open(region_path(&name)).expect("it was just made");
        let sound = std::fs::read(region_path(&name)).expect("it can be read");
        Shared { name, file, sound }
    })
}

fuzz_target!(|scribbles: Vec<(u32, u64)>| {
    let s = shared();
    let at = |word: u32| word as usize % (s.sound.len() / 8) * 8;
    for (word, value) in &scribbles {
        s.file.write_all_at(&value.to_le_bytes(), at(*word) as u64).expect("it is there");
    }
    if let Ok(viewer) = Viewer::open(&s.name) {
        let snapshot = viewer.read();
        assert!(snapshot.orders.len() <= s.sound.len());
        let _ = (viewer.level(), viewer.beats(), viewer.kill(), viewer.ticks_to_orders(), viewer.latencies());
        serde_json::to_string(&snapshot).expect("a snapshot can be shown");
    }
    for (word, _) in &scribbles {
        let at = at(*word);
        s.file.write_all_at(&s.sound[at..at + 8], at as u64).expect("it is there");
    }
});
