//! Policies and approvers' files that cannot be: each names its key.

use colo::release::keys::Approvers;
use colo::release::policy::Policy;

use crate::case::{Case, LIVE, PAPER};

#[test]
fn a_policy_that_cannot_be_names_its_key() {
    let case = Case::new();
    let file = case.file("policy.toml");
    let table = [
        (LIVE, "version = 1", "version = 2", "version"),
        (LIVE, "stage = \"live\"", "stage = \"lively\"", "stage"),
        (LIVE, "approvals = 2", "approvals = 1", "approvals"),
        (LIVE, "approvals = 2", "approvals = -2", "approvals"),
        (LIVE, "approvals = 2\n", "", "approvals"),
        (LIVE, "valid_days = 30", "valid_days = 0", "valid_days"),
        (LIVE, "valid_days = 30", "valid_days = 3000", "valid_days"),
        (
            LIVE,
            "[backtest]\nmin_days = 2\nwithin_days = 30\nmin_pnl_usd = 100\nmin_sharpe = 1.5\nmax_drawdown_bps = 500\nmin_fills = 20\n",
            "",
            "backtest",
        ),
        (LIVE, "min_days = 2", "min_days = 0", "backtest.min_days"),
        (LIVE, "min_sharpe = 1.5", "min_sharpe = nan", "backtest.min_sharpe"),
        (LIVE, "min_sharpe", "min_sharp", "min_sharp"),
        (LIVE, "max_drawdown_bps = 500", "max_drawdown_bps = -1", "max_drawdown_bps"),
        (LIVE, "sessions = 2", "sessions = 0", "paper.sessions"),
        (LIVE, "within_days = 10", "within_days = 367", "paper.within_days"),
        (LIVE, "[\"t3\", \"t9\"]", "[]", "drills.names"),
        (LIVE, "[drills]\nnames = [\"t3\", \"t9\"]\nwithin_days = 7\n", "", "drills"),
        (LIVE, "max_failures = 0", "max_failures = \"none\"", "doctor.max_failures"),
        (LIVE, "[10, 50, 100]", "[50, 10]", "limits.steps_percent"),
        (LIVE, "[10, 50, 100]", "[10, 101]", "limits.steps_percent"),
        (LIVE, "[10, 50, 100]", "[0, 10]", "limits.steps_percent"),
        (LIVE, "[10, 50, 100]", "[]", "limits.steps_percent"),
        (LIVE, "max_position = 5000\n", "", "max_position"),
        (LIVE, "max_position = 5000", "max_position = -1", "limits.target.max_position"),
        (LIVE, "sessions_a_step = 2", "sessions_a_step = 0", "limits.sessions_a_step"),
        (LIVE, "stage = \"live\"", "stage = \"paper\"", "limits"),
        (LIVE, "valid_days = 30", "valid_days = 30\nparams = \"sometimes\"", "params"),
        (PAPER, "valid_days = 30", "valid_days = 30\nparams = \"allow\"", "`params`"),
        (PAPER, "stage = \"paper\"", "stage = \"live\"", "paper"),
        (PAPER, "approvals = 1", "approvals = 0", "approvals"),
        (PAPER, "version", "versio", "versio"),
        (PAPER, "version = 1", "\"\" = 1", "(empty key)"),
        (PAPER, "version = 1", "version", "(syntax)"),
    ];
    for (k, (text, from, to, key)) in table.into_iter().enumerate() {
        assert!(text.contains(from), "row {k}");
        case.write("policy.toml", &text.replace(from, to));
        let refused = Policy::read(&file).expect_err(to).to_string();
        assert!(refused.contains("policy.toml: `") && refused.contains(key), "row {k}, {key}: {refused}");
    }
    for good in [LIVE, PAPER] {
        case.write("policy.toml", good);
        Policy::read(&file).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn approvers_who_cannot_be_name_their_key() {
    let case = Case::new();
    let file = case.file("approvers.toml");
    let good = case.read("approvers.toml");
    let (anna, ben) = (case.keys[0].public().to_string(), case.keys[1].public().to_string());
    let table = [
        (good.replace("version = 1", "version = 2"), "version"),
        ("version = 1\napprover = []\n".to_owned(), "approver"),
        ("version = 1\n".to_owned(), "approver"),
        (good.replace("name = \"ben\"", "name = \"\""), "approver[1].name"),
        (good.replace("name = \"ben\"", "name = \"ben \""), "approver[1].name"),
        (good.replace("name = \"ben\"", "name = \"b\\nen\""), "approver[1].name"),
        (good.replace(&ben, &anna), "approver[1].key"),
        (good.replace(&ben, &ben.to_uppercase()), "approver[1].key"),
        (good.replace(&ben, &ben[..70]), "approver[1].key"),
        (good.replace("name = \"ben\"", "name = \"ben\"\nrole = \"head\""), "role"),
    ];
    for (k, (text, key)) in table.into_iter().enumerate() {
        case.write("approvers.toml", &text);
        let refused = Approvers::read(&file).expect_err(key).to_string();
        assert!(refused.contains(key), "row {k}, {key}: {refused}");
    }
    case.write("approvers.toml", &good);
    let all = Approvers::read(&file).expect("as it was");
    assert_eq!(all.name_of(&case.keys[2].public()), Some("anna"));
    assert_eq!(all.name_of(&case.keys[3].public()), None);
}
