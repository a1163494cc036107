//! Where an incident has to be seen, and how long that took.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

/// A place to look at.
pub enum Place<'a> {
    /// An expression that Prometheus gives series for; `CORE` is the core's label.
    Metric(&'a str),
    /// PagerDuty by Alertmanager: an action, and the alert's name.
    Paged(&'a str, &'a str),
    /// PagerDuty by the notifier: an action, and what it is of.
    Told(&'a str, &'a str),
    /// A line of `log.jsonl` with these words.
    Log(&'a [&'a str]),
    /// A row of this table in PostgreSQL, such as this.
    Row(&'a str, &'a str),
    /// A message of this table on the bus with these words.
    Message(&'a str, &'a [&'a str]),
    /// Words on the page.
    Page(&'a str),
}

impl Place<'_> {
    fn word(&self) -> &'static str {
        match self {
            Place::Metric(_) => "metric",
            Place::Paged(..) => "PagerDuty by Alertmanager",
            Place::Told(..) => "PagerDuty by the notifier",
            Place::Log(_) => "log",
            Place::Row(..) => "row",
            Place::Message(..) => "message",
            Place::Page(_) => "page",
        }
    }
}

/// Looks at a place before it is given up: half a minute and longer.
pub const LOOKS: usize = 1_000;

/// Looks at every place again and again, so often at most, until it was seen in each; says how long each took, in their order.
#[track_caller]
pub fn everywhere(
    what: &str,
    since: Instant,
    places: &[Place<'_>],
    looks: usize,
    look: &mut dyn FnMut(&Place<'_>) -> bool,
) -> String {
    let mut took: Vec<Option<f64>> = vec![None; places.len()];
    for _ in 0..looks {
        for (place, took) in places.iter().zip(&mut took) {
            if took.is_none() && look(place) {
                *took = Some(since.elapsed().as_secs_f64());
            }
        }
        if took.iter().all(Option::is_some) {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    let missing: Vec<_> =
        places.iter().zip(&took).filter(|(_, took)| took.is_none()).map(|(p, _)| p.word()).collect();
    assert!(missing.is_empty(), "{what} was not seen in: {}", missing.join(", "));
    let each = places.iter().zip(took).map(|(p, took)| format!("{} {:.1} s", p.word(), took.unwrap_or(0.0)));
    each.collect::<Vec<_>>().join(", ")
}

#[test]
fn canary_an_incident_that_a_place_does_not_see_fails_and_names_it() {
    let places = [Place::Page("x"), Place::Log(&["x"]), Place::Metric("x")];
    let mut look = |place: &Place<'_>| !matches!(place, Place::Log(_));
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        everywhere("it", Instant::now(), &places, 3, &mut look)
    }));
    let why = seen.expect_err("it was seen where it was not");
    assert_eq!(why.downcast_ref::<String>().unwrap(), "it was not seen in: log");
}

/// What comes on the bus of a core.
#[derive(Clone)]
pub struct Bus(Arc<Mutex<Vec<(String, String)>>>);

impl Bus {
    /// Hears every message of this core from now on.
    pub fn listen(port: u16, core: &str) -> Bus {
        let bus = Bus(Arc::default());
        let (heard, subject) = (bus.clone(), format!("colo.{core}.>"));
        let (say, said) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = async_nats::connect(format!("127.0.0.1:{port}")).await.unwrap();
                let mut all = client.subscribe(subject).await.unwrap();
                client.flush().await.unwrap();
                say.send(()).unwrap();
                while let Some(m) = all.next().await {
                    let table = m.subject.rsplit('.').next().unwrap().to_owned();
                    // Orders come by the hundred a second, and no incident is told there.
                    if matches!(&*table, "link_events" | "risk_events" | "fills") {
                        let text = String::from_utf8(m.payload.to_vec()).unwrap();
                        heard.0.lock().unwrap().push((table, text));
                    }
                }
            });
        });
        said.recv().unwrap();
        bus
    }

    /// How many came.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Whether a message of this table, behind so many, has these words.
    pub fn has(&self, behind: usize, table: &str, words: &[&str]) -> bool {
        let all = self.0.lock().unwrap();
        all.iter().skip(behind).any(|(of, text)| of == table && words.iter().all(|word| text.contains(word)))
    }
}
