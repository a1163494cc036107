//! Parameters and limits of a running core as people change them: proposed, shown as a difference, and put in force by a word of its own.
//!
//! ```text
//!   propose ──► tried out here, on a strategy that has just started ──► kept: an id, the difference
//!   apply   ──► the strategy thread: staged, then enacted between two inputs ──► it says so in shared memory ──► the client is answered
//!   drop    ──► forgotten
//! ```
//!
//! A proposal is of the settings as they were: once another change is in force it is refused, for it is not the difference that somebody looked at. It is kept for a day, and eight at once. Nothing
//! of it outlives the core: a start takes the configuration file. Only limits that become tighter are taken; every other change of limits is a start's, with whoever approves it.

use engine::RiskLimits;
use engine::strategy::{Allowed, ParamError, ParamValue, Params};
use model::{Control, Limit, Nanos, ParamName, SETTINGS_MAX, Setting};
use serde_json::{Value, json};

use super::Said;
use super::request::{Command, Request};
use crate::journal::By;
use crate::release::Traded;

/// Proposals kept at once.
const PROPOSALS_MAX: usize = 8;
/// How long each is kept.
const KEPT: Nanos = Nanos::from_millis(86_400_000);
/// What everybody who changes something is told.
const UNTIL_RESTART: &str = "in force until the core ends: a start takes the configuration file";

/// What whoever wants to leave the approved parameters is told.
const NOT_APPROVED: &str = "the approval that this core runs under is of its parameters, and its policy lets nobody change them (`params` is not \"allow\"): promote others, or make limits tighter";

/// Whether a strategy takes other parameters while it runs, and those as it reads them ([`engine::strategy::try_out`]).
pub type TryOut = fn(&Params, &Params) -> Result<Params, ParamError>;

/// What can be changed in one core, and who has a say in it.
#[derive(Clone)]
pub struct SettingsParts {
    /// The strategy's name.
    pub strategy: String,
    /// Its parameters as the configuration has them and it has read them.
    pub params: Params,
    /// The limits of the configuration.
    pub limits: RiskLimits,
    /// The strategy's own check.
    pub try_out: TryOut,
    /// Where it is two, who applies a change is not who proposed it.
    pub operators_needed: usize,
    /// What an approval is of, as configured.
    pub traded: Traded,
    /// The approval that the core runs under, live.
    pub approval: Option<String>,
    /// Whether parameters may be others than those that were approved.
    pub may_change: bool,
}

/// What somebody wants to change, checked.
#[derive(Clone)]
struct Proposal {
    id: u32,
    by: By,
    at: Nanos,
    /// The change that was the last in force.
    base: u32,
    settings: Vec<Setting>,
    difference: Value,
    /// What would be in force with it.
    params: Params,
    limits: RiskLimits,
}

/// A change on its way to the strategy.
struct UnderWay {
    change: u32,
    client: u64,
    by: By,
    proposal: Proposal,
}

/// See the module.
pub(super) struct SettingsDesk {
    configured: SettingsParts,
    params: Params,
    limits: RiskLimits,
    /// Number of the last change in force, ...
    change: u32,
    /// ... and of the last that was sent to the strategy. A number is used once: what was refused must not be taken for the answer to the next.
    sent: u32,
    /// Who put the last change in force.
    by: Option<By>,
    proposals: Vec<Proposal>,
    next: u32,
    under_way: Option<UnderWay>,
}

/// A parameter's value as JSON.
#[must_use]
pub fn to_json(value: &ParamValue) -> Value {
    match value {
        ParamValue::Int(v) => json!(v),
        ParamValue::Bool(v) => json!(v),
        ParamValue::Text(v) => json!(v),
    }
}

fn value_of(params: &Params, name: &str) -> Option<ParamValue> {
    params.known().find(|(known, ..)| *known == name).map(|(.., value)| value)
}

impl SettingsDesk {
    pub(super) fn new(configured: SettingsParts) -> SettingsDesk {
        SettingsDesk {
            params: configured.params.clone(),
            limits: configured.limits,
            configured,
            change: 0,
            sent: 0,
            by: None,
            proposals: Vec::new(),
            next: 1,
            under_way: None,
        }
    }

    /// What is in force, as if it were configured.
    fn traded(&self) -> Traded {
        let mut traded = self.configured.traded.clone();
        for (name, _, now) in self.params.known() {
            if value_of(&self.configured.params, name).is_some_and(|was| was != now) {
                let now = match now {
                    ParamValue::Int(n) => n.into(),
                    ParamValue::Bool(on) => on.into(),
                    ParamValue::Text(text) => text.into(),
                };
                traded.set(name, now);
            }
        }
        traded
    }

    /// Whether the parameters in force are those of the approval; `None` where there is none.
    fn is_approved(&self) -> Option<bool> {
        self.configured.approval.as_ref().map(|_| self.traded() == self.configured.traded)
    }

    /// What is in force, what may be, and what is proposed.
    pub(super) fn show(&mut self, now: Nanos) -> Value {
        self.forget_old(now);
        let params = self.params.known().map(|(name, allowed, value)| {
            let allowed = match allowed {
                Allowed::Int { min, max, .. } => json!({"min": min, "max": max}),
                Allowed::Bool { .. } => json!([false, true]),
            };
            let configured = value_of(&self.configured.params, name).map(|v| to_json(&v));
            json!({"name": name, "value": to_json(&value), "configured": configured, "allowed": allowed})
        });
        let params: Vec<Value> = params.collect();
        let limits: Vec<Value> = Limit::ALL
            .into_iter()
            .map(|l| json!({"name": l.key(), "value": self.limits.of(l), "configured": self.configured.limits.of(l)}))
            .collect();
        let proposals: Vec<Value> = self
            .proposals
            .iter()
            .map(|p| {
                let (operator, reason) = (p.by.operator.as_str(), p.by.reason.as_str());
                let left = KEPT.0.saturating_sub(now.since(p.at).0) / 1_000_000_000;
                let is_stale = p.base != self.change;
                json!({"id": p.id, "operator": operator, "reason": reason, "difference": p.difference, "expires_s": left, "stale": is_stale})
            })
            .collect();
        json!({
            "ok": true, "command": Command::Params, "strategy": self.configured.strategy, "change": self.change,
            "params": params, "limits": limits, "proposals": proposals, "note": UNTIL_RESTART,
            "approval": self.configured.approval, "params_approved": self.is_approved(), "params_may_change": self.configured.may_change,
        })
    }

    /// What is not as the configuration file has it, for a status; `None` where all is.
    pub(super) fn differing(&self) -> Option<Value> {
        let by = self.by?;
        let params = self.params.known().filter_map(|(name, _, now)| {
            let configured = value_of(&self.configured.params, name)?;
            (configured != now)
                .then(|| json!({"name": name, "configured": to_json(&configured), "now": to_json(&now)}))
        });
        let (was, is) = (&self.configured.limits, &self.limits);
        let limits = Limit::ALL.into_iter().filter(|l| was.of(*l) != is.of(*l));
        let limits = limits.map(|l| json!({"name": l.key(), "configured": was.of(l), "now": is.of(l)}));
        let differing: Vec<Value> = params.chain(limits).collect();
        Some(json!({
            "change": self.change, "operator": by.operator.as_str(), "differing": differing,
            "params_approved": self.is_approved(),
        }))
    }

    fn forget_old(&mut self, now: Nanos) {
        self.proposals.retain(|p| now.since(p.at) < KEPT);
    }

    /// Checks what a request wants to change, and keeps it.
    ///
    /// # Errors
    /// In words: what cannot be, and what is allowed.
    pub(super) fn propose(&mut self, request: &Request, by: By, now: Nanos) -> Result<Value, String> {
        self.forget_old(now);
        if self.proposals.len() >= PROPOSALS_MAX {
            return Err(format!("{PROPOSALS_MAX} proposals are kept already: apply or drop one"));
        }
        let (params, mut settings, mut difference) = self.params_with(request)?;
        if !settings.is_empty() && !self.configured.may_change {
            return Err(NOT_APPROVED.into());
        }
        let limits = self.limits_with(request, &mut settings, &mut difference)?;
        if settings.is_empty() {
            return Err("nothing would change: all of it is in force".into());
        }
        if settings.len() > SETTINGS_MAX {
            return Err(format!("{} settings at once; allowed: {SETTINGS_MAX}", settings.len()));
        }
        let (id, difference) = (self.next, Value::from(difference));
        self.next += 1;
        let answer = json!({"ok": true, "command": Command::ParamsPropose, "proposal": id, "difference": difference, "note": UNTIL_RESTART});
        self.proposals.push(Proposal {
            id,
            by,
            at: now,
            base: self.change,
            settings,
            difference,
            params,
            limits,
        });
        Ok(answer)
    }

    /// The parameters with what a request gives, as the strategy reads them.
    fn params_with(&self, request: &Request) -> Result<(Params, Vec<Setting>, Vec<Value>), String> {
        let (mut settings, mut difference) = (Vec::new(), Vec::new());
        let mut params = self.params.clone();
        for (given, value) in &request.params {
            let Some(before) = value_of(&self.params, given) else {
                let known: Vec<_> = self.params.known().map(|(name, ..)| name).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                let strategy = &self.configured.strategy;
                return Err(format!("strategy {strategy:?} has no parameter {given:?}; allowed: {known}"));
            };
            let name = ParamName::new(given).ok_or_else(|| {
                format!("parameter {given:?} has too long a name to be changed while it runs")
            })?;
            let (after, setting) = match value {
                Value::Number(n) if n.is_i64() => {
                    let n = n.as_i64().unwrap_or_default();
                    (ParamValue::Int(n), Setting::Number(name, n))
                }
                Value::Bool(on) => (ParamValue::Bool(*on), Setting::Switch(name, *on)),
                _ => {
                    return Err(format!(
                        "parameter {given:?} is {value}; allowed: an integer, true or false"
                    ));
                }
            };
            if before != after {
                difference.push(json!({"name": given, "from": to_json(&before), "to": to_json(&after)}));
                settings.push(setting);
                // It is known, so it is there.
                let _ = params.change(given, Some(after));
            }
        }
        if !settings.is_empty() {
            params = (self.configured.try_out)(&self.params, &params).map_err(|e| e.to_string())?;
        }
        Ok((params, settings, difference))
    }

    /// The limits with what a request gives.
    fn limits_with(
        &self,
        request: &Request,
        settings: &mut Vec<Setting>,
        difference: &mut Vec<Value>,
    ) -> Result<RiskLimits, String> {
        let mut limits = self.limits;
        for (key, value) in &request.limits {
            let Some(limit) = Limit::of_key(key) else {
                let known = Limit::ALL.map(Limit::key).join(", ");
                return Err(format!(
                    "{key:?} cannot be changed while the core runs; allowed: {known}; any other wants a restart, and an approval where one is needed"
                ));
            };
            let before = limits.of(limit);
            limits = limits.tightened(limit, *value).ok_or_else(|| match *value < 0 {
                true => format!("{key} is {value}; allowed: 0 to {before}"),
                false => format!("{key} of {value} is looser than {before}: a looser limit wants a restart, and an approval where one is needed"),
            })?;
            if before != *value {
                difference.push(json!({"name": key, "from": before, "to": value}));
                settings.push(Setting::Limit(limit, *value));
            }
        }
        Ok(limits)
    }

    fn find(&self, id: Option<u32>) -> Result<usize, String> {
        let id = id.ok_or("this wants the `proposal`, by its number")?;
        let found = self.proposals.iter().position(|p| p.id == id);
        found.ok_or_else(|| format!("there is no proposal {id}: it was applied or dropped, or a day is over"))
    }

    /// Forgets a proposal.
    ///
    /// # Errors
    /// There is none of that number.
    pub(super) fn drop_proposal(&mut self, id: Option<u32>, now: Nanos) -> Result<Value, String> {
        self.forget_old(now);
        let gone = self.find(id).map(|at| self.proposals.remove(at))?;
        Ok(json!({"ok": true, "command": Command::ParamsDrop, "proposal": gone.id}))
    }

    /// The inputs that put a proposal in force. Each of them has to reach the strategy, in this order; [`SettingsDesk::sent`] says that they are on their way.
    ///
    /// # Errors
    /// In words: why it cannot be applied, or not by this operator.
    pub(super) fn inputs_of(&mut self, id: Option<u32>, by: &By, now: Nanos) -> Result<Vec<Control>, String> {
        self.forget_old(now);
        if let Some(u) = &self.under_way {
            return Err(format!("change {} has not been taken by the strategy thread yet", u.change));
        }
        let proposal = &self.proposals[self.find(id)?];
        if proposal.base != self.change {
            let (id, base) = (proposal.id, self.change);
            return Err(format!(
                "proposal {id} is of the settings before change {base}: drop it and propose anew"
            ));
        }
        if self.configured.operators_needed > 1 && proposal.by.operator == by.operator {
            return Err(format!(
                "{} has proposed it: another operator is needed to apply it",
                by.operator.as_str()
            ));
        }
        let staged = proposal.settings.iter().map(|s| Control::Stage(*s));
        let enact = Control::Enact { change: self.sent + 1, count: proposal.settings.len() as u8 };
        Ok(staged.chain([enact]).collect())
    }

    /// The inputs of a proposal are on their way; `client` is answered when they have been taken.
    pub(super) fn sent(&mut self, id: Option<u32>, by: By, client: u64) {
        let Ok(at) = self.find(id) else { return };
        let proposal = self.proposals.remove(at);
        self.sent += 1;
        self.under_way = Some(UnderWay { change: self.sent, client, by, proposal });
    }

    /// Whether the strategy thread has to be asked.
    pub(super) fn awaits(&self) -> bool {
        self.under_way.is_some()
    }

    /// The strategy thread's last change in force, and the last that it refused. Returns who is to be answered, and what the log says.
    pub(super) fn taken(&mut self, in_force: u64, refused: u64) -> Option<(u64, Value, Said)> {
        let change = u64::from(self.under_way.as_ref()?.change);
        let done = match (in_force >= change, refused >= change) {
            (false, false) => return None,
            (done, _) => done,
        };
        let UnderWay { change, client, by, proposal } = self.under_way.take()?;
        let mut fields = json!({
            "change": change, "proposal": proposal.id, "difference": proposal.difference,
            "operator": by.operator.as_str(), "reason": by.reason.as_str(), "proposed_by": proposal.by.operator.as_str(),
        });
        if !done {
            let error = "the strategy refuses these parameters as it stands; nothing was changed";
            let message = "settings refused by the strategy";
            return Some((
                client,
                json!({"ok": false, "error": error}),
                Said { level: "error", message, fields, params_sha256: None },
            ));
        }
        (self.params, self.limits, self.change, self.by) =
            (proposal.params, proposal.limits, change, Some(by));
        let answer = json!({
            "ok": true, "command": Command::ParamsApply, "proposal": proposal.id, "change": change,
            "difference": proposal.difference, "note": UNTIL_RESTART,
        });
        fields["note"] = UNTIL_RESTART.into();
        fields["params_approved"] = json!(self.is_approved());
        let params_sha256 = Some(self.traded().sha256());
        let said = Said { level: "warn", message: "settings changed", fields, params_sha256 };
        Some((client, answer, said))
    }
}

#[cfg(test)]
mod tests {
    use engine::strategy::{Quoter, Strategy, try_out};

    use super::*;
    use crate::config::{Config, Secrets};
    use crate::host::Peer;

    const NOW: Nanos = Nanos::from_millis(1_000);

    fn desk(operators_needed: usize) -> SettingsDesk {
        SettingsDesk::new(SettingsParts {
            strategy: Quoter::NAME.into(),
            params: Params::default().read_by::<Quoter>().unwrap(),
            limits: RiskLimits::default(),
            try_out: try_out::<Quoter>,
            operators_needed,
            traded: traded(),
            approval: None,
            may_change: true,
        })
    }

    fn traded() -> Traded {
        let written = toml::from_str(include_str!("../../tests/fixtures/core.toml")).unwrap();
        let config = Config::resolve(written, "core.toml".as_ref(), Secrets::Skip).unwrap();
        Traded::of(&config)
    }

    #[test]
    fn what_is_approved_is_left_only_where_the_policy_lets_it_and_is_told() {
        let mut d = desk(1);
        (d.configured.approval, d.configured.may_change) = (Some("5ea1".into()), false);
        let said = propose(&mut d, json!({"edge_ticks": 2}), json!({})).unwrap_err();
        assert!(said.contains("its policy lets nobody change them"), "{said}");
        propose(&mut d, json!({}), json!({"max_position": 500})).unwrap();
        assert_eq!(d.show(NOW)["params_approved"], true);

        d.configured.may_change = true;
        let approved = d.traded().sha256();
        let turn = |d: &mut SettingsDesk, id: u32, edge: i64| {
            propose(d, json!({"edge_ticks": edge}), json!({})).unwrap();
            d.inputs_of(Some(id), &by("anna"), NOW).unwrap();
            d.sent(Some(id), by("anna"), 7);
            let (.., said) = d.taken(u64::from(d.sent), 0).unwrap();
            (said.fields["params_approved"].clone(), said.params_sha256.unwrap())
        };
        let (is_approved, now) = turn(&mut d, 2, 2);
        assert_eq!((is_approved, now != approved), (json!(false), true));
        assert_eq!(d.differing().unwrap()["params_approved"], false);
        assert_eq!(turn(&mut d, 3, 0), (json!(true), approved), "what was approved is in force again");
        assert_eq!(d.differing().unwrap()["params_approved"], true);
        d.configured.approval = None;
        assert_eq!(d.differing().unwrap()["params_approved"], Value::Null, "nothing is approved on paper");
    }

    fn by(operator: &str) -> By {
        let request = Request {
            operator: Some(operator.into()),
            reason: Some("a test".into()),
            ..Command::ParamsApply.into()
        };
        request.by(Peer { uid: 1, pid: 2 }).unwrap()
    }

    fn request(params: &Value, limits: &Value) -> Request {
        let (params, limits) = (
            serde_json::from_value(params.clone()).unwrap(),
            serde_json::from_value(limits.clone()).unwrap(),
        );
        Request { params, limits, ..Command::ParamsPropose.into() }
    }

    fn propose(desk: &mut SettingsDesk, params: Value, limits: Value) -> Result<Value, String> {
        desk.propose(&request(&params, &limits), by("anna"), NOW)
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        let mut d = desk(1);
        for (params, limits, why) in [
            (json!({"colour": 1}), json!({}), "no parameter \"colour\"; allowed: quantity, "),
            (json!({"quantity": 0}), json!({}), "`quantity` is 0; allowed: an integer from 1 to"),
            (json!({"quantity": true}), json!({}), "`quantity` is true"),
            (json!({"quantity": 1.5}), json!({}), "is 1.5; allowed: an integer"),
            (json!({"quantity": "x"}), json!({}), "allowed: an integer"),
            (json!({"quantity": u64::MAX}), json!({}), "allowed: an integer"),
            (json!({}), json!({"max_position": 1_001}), "looser than 1000: a looser limit wants a restart"),
            (json!({}), json!({"max_position": -1}), "allowed: 0 to 1000"),
            (json!({}), json!({"max_daily_loss_usd": i64::MAX}), "looser than 10000"),
            (json!({}), json!({"max_gross_notional_usd": 1}), "wants a restart"),
            (json!({"quantity": 100}), json!({"max_position": 1_000}), "nothing would change"),
            (json!({}), json!({}), "nothing would change"),
        ] {
            let said = propose(&mut d, params, limits).unwrap_err();
            assert!(said.contains(why), "{said} has no {why:?}");
        }
        assert!(d.show(NOW)["proposals"].as_array().unwrap().is_empty());
    }

    #[test]
    fn a_proposal_is_a_difference_and_one_change_makes_the_others_stale() {
        let mut d = desk(1);
        let a = propose(&mut d, json!({"edge_ticks": 2}), json!({"max_position": 500})).unwrap();
        let difference = json!([{"name": "edge_ticks", "from": 0, "to": 2}, {"name": "max_position", "from": 1_000, "to": 500}]);
        assert_eq!((&a["proposal"], &a["difference"]), (&json!(1), &difference));
        propose(&mut d, json!({"edge_ticks": 3}), json!({})).unwrap();
        let inputs = d.inputs_of(Some(1), &by("anna"), NOW).unwrap();
        assert_eq!(inputs.len(), 3);
        assert_eq!(inputs[2], Control::Enact { change: 1, count: 2 });
        d.sent(Some(1), by("anna"), 7);
        assert!(d.inputs_of(Some(2), &by("anna"), NOW).unwrap_err().contains("has not been taken"));
        assert!(d.taken(0, 0).is_none() && d.differing().is_none());
        let (client, answer, said) = d.taken(1, 0).unwrap();
        assert_eq!((client, &answer["ok"], &answer["change"]), (7, &json!(true), &json!(1)));
        assert_eq!((said.message, &said.fields["difference"]), ("settings changed", &difference));
        let status = d.differing().unwrap();
        assert_eq!(status["differing"][0], json!({"name": "edge_ticks", "configured": 0, "now": 2}));
        assert_eq!(status["differing"][1]["now"], 500);
        assert!(d.inputs_of(Some(2), &by("anna"), NOW).unwrap_err().contains("before change 1"));
        assert!(d.drop_proposal(Some(2), NOW).is_ok() && d.drop_proposal(Some(2), NOW).is_err());
        // From there it only goes tighter.
        assert!(
            propose(&mut d, json!({}), json!({"max_position": 501})).unwrap_err().contains("looser than 500")
        );
    }

    #[test]
    fn what_the_strategy_refuses_has_changed_nothing() {
        let mut d = desk(1);
        propose(&mut d, json!({"edge_ticks": 2}), json!({})).unwrap();
        d.sent(Some(1), by("anna"), 7);
        let (_, answer, _) = d.taken(0, 1).unwrap();
        assert_eq!(answer["ok"], false);
        assert!(d.differing().is_none() && !d.awaits());
        propose(&mut d, json!({"edge_ticks": 2}), json!({})).unwrap();
        let inputs = d.inputs_of(Some(2), &by("anna"), NOW).unwrap();
        assert_eq!(inputs[1], Control::Enact { change: 2, count: 1 }, "a number of its own");
        d.sent(Some(2), by("anna"), 8);
        assert!(d.taken(0, 1).is_none(), "that was the one before");
        assert_eq!(d.taken(2, 1).unwrap().1["change"], 2);
    }

    #[test]
    fn proposals_are_bounded_and_end() {
        let mut d = desk(1);
        (0..PROPOSALS_MAX).for_each(|_| drop(propose(&mut d, json!({"edge_ticks": 2}), json!({})).unwrap()));
        assert!(propose(&mut d, json!({"edge_ticks": 2}), json!({})).unwrap_err().contains("kept already"));
        let later = NOW.after(KEPT);
        assert!(d.inputs_of(Some(1), &by("anna"), later).unwrap_err().contains("a day is over"));
        assert!(d.inputs_of(None, &by("anna"), later).is_err());
    }

    #[test]
    fn where_real_money_is_traded_it_takes_two() {
        let mut d = desk(2);
        propose(&mut d, json!({"edge_ticks": 2}), json!({})).unwrap();
        assert!(d.inputs_of(Some(1), &by("anna"), NOW).unwrap_err().contains("another operator"));
        assert!(d.inputs_of(Some(1), &by("bert"), NOW).is_ok());
    }
}
