//! The kill switch on disk: whatever stands in its file, it is read as something that is killed, for a file that says nothing is never left behind. Half of the
//! inputs get the head and the checksum that a latch of ours has, so that what comes behind these is read too.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use colo::latch::{Latch, Scope, Word};
use libfuzzer_sys::fuzz_target;

/// A folder of this process, its latch file, and what each of ours begins with.
fn place() -> &'static (PathBuf, PathBuf, String) {
    static PLACE: OnceLock<(PathBuf, PathBuf, String)> = OnceLock::new();
    PLACE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("colo-fuzz-latch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder under TMPDIR");
        Latch::add(&folder, Scope::All, Word::new("anna", "to be seen", 7, 8), 1).expect("a latch");
        let file = folder.join(colo::latch::FILE);
        let text = std::fs::read_to_string(&file).expect("the latch is text");
        let head = text.split('\n').next().expect("its first line").to_owned();
        let head = head[..head.len() - 8].to_owned();
        (folder, file, head)
    })
}

fuzz_target!(|input: (bool, &[u8])| {
    let (is_headed, bytes) = input;
    let (folder, file, head) = place();
    let sealed =
        |body: &[u8]| [format!("{head}{:08x}\n", crc32c::crc32c(body)).as_bytes(), body, b"\n"].concat();
    let text = if is_headed { sealed(bytes) } else { bytes.to_vec() };
    std::fs::write(file, &text).expect("the folder is ours");
    let latch = Latch::read(folder);
    assert!(!latch.is_empty(), "{}", String::from_utf8_lossy(&text));
    // What a person is shown of it is one line of printable text.
    for kill in &latch.kills {
        for word in std::iter::once(&kill.by).chain(&kill.releases) {
            let shown = Word::new(&word.operator, &word.reason, word.uid, word.at_ns);
            assert!(shown.reason.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{:?}", shown.reason);
        }
    }
});
