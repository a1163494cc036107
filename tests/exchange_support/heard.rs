//! A client of the simulated exchange's snapshot server: SoupBinTCP packets by hand.

/// What a client of the snapshot server has heard.
#[derive(Default)]
pub struct Heard {
    bytes: Vec<u8>,
    pub accepted: Option<String>,
    pub refused: Option<u8>,
    pub messages: Vec<Vec<u8>>,
    pub ended: bool,
}

impl Heard {
    pub fn receive(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let [a, b, ..] = self.bytes[..] {
            let n = 2 + usize::from(u16::from_be_bytes([a, b]));
            if self.bytes.len() < n {
                break;
            }
            let packet: Vec<u8> = self.bytes.drain(..n).skip(2).collect();
            match packet[0] {
                b'A' => self.accepted = Some(String::from_utf8(packet[1..].to_vec()).unwrap()),
                b'J' => self.refused = Some(packet[1]),
                b'S' => self.messages.push(packet[1..].to_vec()),
                b'Z' => self.ended = true,
                b'H' => {}
                other => panic!("packet {}", other as char),
            }
        }
    }

    /// The sequence in `G`, where the snapshot has one.
    pub fn next(&self) -> Option<u64> {
        let end = self.messages.last().filter(|m| m[0] == b'G')?;
        assert_eq!(end.len(), 21);
        let text = std::str::from_utf8(&end[1..]).unwrap();
        assert!(!text.starts_with(' '), "left-justified: {text:?}");
        Some(text.trim_end_matches(' ').parse().unwrap())
    }

    pub fn kinds(&self) -> String {
        self.messages.iter().map(|m| m[0] as char).collect()
    }
}
