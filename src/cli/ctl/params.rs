//! `ctl params`: parameters and limits of a running core in words, and a proposal as the command line gives it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Args, Second};
use crate::cli::{Exit, Failure};
use crate::control::{Command, Request};

/// What is asked by the second verb.
///
/// # Errors
/// The command line is wrong.
pub(super) fn request(args: &Args) -> Result<Request, Failure> {
    let wrong = |why: &str| Failure::with(Exit::Usage, why);
    let command = match args.second {
        None => Command::Params,
        Some(Second::Propose) => Command::ParamsPropose,
        Some(Second::Apply) => Command::ParamsApply,
        Some(Second::Drop) => Command::ParamsDrop,
        Some(_) => return Err(wrong("`params` takes propose, apply or drop")),
    };
    let takes_values = command == Command::ParamsPropose;
    let takes_number = matches!(command, Command::ParamsApply | Command::ParamsDrop);
    if !takes_values && !args.limits.is_empty() {
        return Err(wrong("only `params propose` takes --limits"));
    }
    let mut request = Request::from(command);
    match args.values.as_slice() {
        values if takes_values => {
            for given in values {
                let (name, value) = param(given)?;
                request.params.insert(name, value);
            }
            request.limits = limits(&args.limits)?;
            if request.params.is_empty() && request.limits.is_empty() {
                return Err(wrong("`params propose` wants NAME=VALUE, or --limits KEY=N"));
            }
        }
        [number] if takes_number => {
            request.proposal = Some(number.parse().map_err(|_| wrong("a proposal is a number"))?);
        }
        [] if !takes_number => {}
        _ => {
            return Err(wrong(
                "`params apply` and `params drop` want one proposal's number, and `params` nothing",
            ));
        }
    }
    if matches!(command, Command::ParamsPropose | Command::ParamsApply) && args.reason.is_none() {
        return Err(wrong("--reason is missing: it is kept in the journal and the log"));
    }
    if command == Command::ParamsApply && args.operator.is_none() {
        return Err(wrong("--operator is missing: who puts it in force, by name"));
    }
    Ok(request)
}

fn pair(given: &str) -> Result<(&str, &str), Failure> {
    let both = given.split_once('=').map(|(k, v)| (k.trim(), v.trim()));
    let is_both = both.filter(|(k, v)| !k.is_empty() && !v.is_empty());
    is_both.ok_or_else(|| Failure::with(Exit::Usage, format!("{given:?} is not NAME=VALUE")))
}

fn param(given: &str) -> Result<(String, Value), Failure> {
    let (name, value) = pair(given)?;
    let value = match value.replace('_', "").parse::<i64>() {
        Ok(n) => n.into(),
        Err(_) => match value {
            "true" => true.into(),
            "false" => false.into(),
            _ => {
                let why = format!("{name} is {value:?}; allowed: an integer, true or false");
                return Err(Failure::with(Exit::Usage, why));
            }
        },
    };
    Ok((name.to_owned(), value))
}

fn limits(given: &[String]) -> Result<BTreeMap<String, i64>, Failure> {
    let one = |given: &String| {
        let (key, value) = pair(given)?;
        let number = value.replace('_', "").parse();
        let number = number
            .map_err(|_| Failure::with(Exit::Usage, format!("{key} is {value:?}; allowed: an integer")))?;
        Ok((key.to_owned(), number))
    };
    given.iter().map(one).collect()
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(v: &Value) -> String {
    v.as_str().map_or_else(|| v.to_string(), str::to_owned)
}

fn difference(list: &Value) -> String {
    let line = |d: &Value| format!("  {} {} -> {}\n", text(&d["name"]), d["from"], d["to"]);
    each(list).map(line).collect()
}

/// An answer in words.
pub(super) fn words(args: &Args, answer: &Value) -> String {
    let note = text(&answer["note"]);
    let name = args.name.as_deref().unwrap_or("NAME");
    match args.second {
        Some(Second::Propose) => format!(
            "proposal {}\n{}not in force: colo ctl --name {name} params apply {} --operator WHO --reason TEXT\n",
            answer["proposal"],
            difference(&answer["difference"]),
            answer["proposal"]
        ),
        Some(Second::Apply) => {
            format!("change {}\n{}{note}\n", answer["change"], difference(&answer["difference"]))
        }
        Some(Second::Drop) => format!("proposal {} dropped\n", answer["proposal"]),
        _ => shown(answer),
    }
}

fn shown(answer: &Value) -> String {
    let mut out = format!(
        "strategy {}, change {}\n{}",
        text(&answer["strategy"]),
        answer["change"],
        unapproved(answer)
    );
    let configured = |v: &Value| match v["configured"] == v["value"] {
        true => String::new(),
        false => format!("  (configured: {})", v["configured"]),
    };
    for p in each(&answer["params"]) {
        let allowed = match (&p["allowed"]["min"], &p["allowed"]["max"]) {
            (Value::Null, _) => "true or false".to_owned(),
            (min, max) => format!("{min} to {max}"),
        };
        let (name, value) = (text(&p["name"]), &p["value"]);
        out.push_str(&format!("  {name} = {value}{}  allowed: {allowed}\n", configured(p)));
    }
    out.push_str("limits that may be made tighter\n");
    for l in each(&answer["limits"]) {
        out.push_str(&format!("  {} = {}{}\n", text(&l["name"]), l["value"], configured(l)));
    }
    for p in each(&answer["proposals"]) {
        let stale = if p["stale"] == true { ", STALE: of the settings before" } else { "" };
        out.push_str(&format!(
            "proposal {} by {}: {}; for {} s more{stale}\n{}",
            p["id"],
            text(&p["operator"]),
            text(&p["reason"]),
            p["expires_s"],
            difference(&p["difference"])
        ));
    }
    out
}

/// In a status: what is not as the configuration has it; nothing where all is.
pub(super) fn status(settings: &Value) -> String {
    if settings.is_null() {
        return String::new();
    }
    let line = |d: &Value| format!(", {} {} (configured: {})", text(&d["name"]), d["now"], d["configured"]);
    let all: String = each(&settings["differing"]).map(line).collect();
    format!(
        "settings changed while it runs: change {} by {}{all}\n{}",
        settings["change"],
        text(&settings["operator"]),
        unapproved(settings)
    )
}

/// That what is in force is not what was approved.
fn unapproved(settings: &Value) -> &'static str {
    if settings["params_approved"] == false {
        "THE PARAMETERS IN FORCE ARE NOT THE APPROVED ONES\n"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_numbers_and_switches() {
        assert_eq!(param("lot=1_000").unwrap(), ("lot".into(), json!(1_000)));
        assert_eq!(param(" on = true").unwrap(), ("on".into(), json!(true)));
        assert_eq!(limits(&["max_position=-5".into()]).unwrap()["max_position"], -5);
        for bad in ["lot", "=1", "lot=", "lot=1.5", "lot=slow"] {
            assert_eq!(param(bad).unwrap_err().exit, Exit::Usage, "{bad:?}");
        }
    }

    #[test]
    fn a_status_says_what_is_not_as_configured() {
        assert_eq!(status(&Value::Null), "");
        let s = json!({"change": 2, "operator": "anna", "differing": [{"name": "lot", "configured": 100, "now": 50}]});
        assert_eq!(
            status(&s),
            "settings changed while it runs: change 2 by anna, lot 50 (configured: 100)\n"
        );
        let unapproved = json!({"change": 2, "operator": "anna", "differing": [], "params_approved": false});
        assert!(status(&unapproved).ends_with("anna\nTHE PARAMETERS IN FORCE ARE NOT THE APPROVED ONES\n"));
        let approved = json!({"change": 3, "operator": "anna", "differing": [], "params_approved": true});
        assert!(status(&approved).ends_with("anna\n"));
    }
}
