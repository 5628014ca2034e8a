//! Changes of supply while many claim from it.

use coffer::domain::Role;
use futures::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::api::{Caller, audit, caller, count_in, crowd, id, sum, web_with_admin};
use super::support::web::{Web, is, problem, send};
use super::{assets, body, create, delete, patch};

/// Many claims of a campaign: half of them of any credit, half of a certain one. Says what each was
/// told.
async fn claim_all(users: &[Caller], campaign: i64, credits: &[i64]) -> Vec<(u16, Value)> {
    let claims = users.iter().zip(credits.iter().cycle()).enumerate().map(async |(place, (user, credit))| {
        let request = match place % 2 {
            0 => user.post("/claims").json(&json!({"campaign_id": campaign})),
            _ => user.claim(*credit),
        };
        let answer = send(request).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    });
    join_all(claims).await
}

/// A campaign of `quantity` credits, their ids, and forty users who want them.
async fn scramble(quantity: usize) -> (Web, Caller, Value, Vec<i64>, Vec<Caller>) {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 40).await;
    let campaign = create(&admin, &body(quantity)).await;
    let credits = assets(&admin, &campaign).await.iter().map(id).collect();
    (web, admin, campaign, credits, users)
}

#[actix_web::test]
async fn whoever_claims_while_the_amount_changes_gets_the_old_one_or_the_new_one() {
    let (web, admin, campaign, credits, users) = scramble(200).await;
    let edits = async {
        for number in 0..10 {
            let change = json!({"amount": format!("{}.00", number + 3), "title": format!("Autumn {number}")});
            assert_eq!(patch(&admin, &campaign, &change).await.status(), 200);
        }
    };
    let claims = async {
        let mut told = Vec::new();
        for start in [0, 50, 100, 150] {
            told.extend(claim_all(&users, id(&campaign), &credits[start..start + 50]).await);
        }
        told
    };
    let ((), told) = join(edits, claims).await;
    assert!(told.iter().all(|(status, _)| [200, 201, 409].contains(status)), "{told:?}");
    let paid = told.iter().filter(|(status, _)| *status == 201);
    let paid: Vec<&str> = paid.map(|(_, answer)| answer["claim"]["amount"].as_str().unwrap()).collect();
    assert_eq!(i64::try_from(paid.len()).unwrap(), count_in(&web, "claims"));
    assert!(paid.len() >= 40, "each has one: {}", paid.len());
    let mut held = Vec::new();
    for user in &users {
        held.push(user.balance("GOLD").await);
    }
    assert_eq!(sum(paid.iter().copied()), sum(held.iter().map(String::as_str)));
    // What is left has the last amount, what is claimed the one that was paid.
    let strays = "assets where status = 'available' and (amount <> 12 or title <> 'Autumn 9')";
    assert_eq!(count_in(&web, strays), 0);
    audit(&web);
}

#[actix_web::test]
async fn the_unit_changes_for_all_or_the_first_claim_keeps_it() {
    for _ in 0..4 {
        let (web, admin, campaign, credits, users) = scramble(60).await;
        let edits = async {
            let mut told = Vec::new();
            for unit in ["PTS", "GOLD", "PTS"] {
                let answer = patch(&admin, &campaign, &json!({"asset_type": unit, "amount": "5"})).await;
                told.push(answer.status().as_u16());
            }
            told
        };
        let (changed, told) = join(edits, claim_all(&users, id(&campaign), &credits)).await;
        assert!(changed.iter().all(|status| [200, 409].contains(status)), "{changed:?}");
        assert!(told.iter().all(|(status, _)| [200, 201, 409].contains(status)), "{told:?}");
        let units: std::collections::BTreeSet<String> =
            assets(&admin, &campaign).await.iter().map(|asset| asset["asset_type"].to_string()).collect();
        assert_eq!(units.len(), 1, "{units:?}");
        audit(&web);
    }
}

#[actix_web::test]
async fn a_campaign_that_is_deleted_while_many_claim_is_gone_or_stays_whole() {
    let (mut gone, mut kept) = (0, 0);
    for round in 0..8 {
        let (web, admin, campaign, credits, users) = scramble(30).await;
        let deletion = async {
            // So that it comes at another moment each time.
            for _ in 0..round {
                admin.read("/me").await;
            }
            delete(&admin, &campaign).await.status().as_u16()
        };
        let (deleted, told) = join(deletion, claim_all(&users, id(&campaign), &credits)).await;
        assert!(told.iter().all(|(status, _)| [200, 201, 404, 409].contains(status)), "{told:?}");
        let claimed = i64::try_from(told.iter().filter(|(status, _)| *status == 201).count()).unwrap();
        assert_eq!(count_in(&web, "claims"), claimed);
        match deleted {
            204 => {
                gone += 1;
                assert_eq!((count_in(&web, "campaigns"), count_in(&web, "assets"), claimed), (0, 0, 0));
            }
            409 => {
                kept += 1;
                assert_eq!((count_in(&web, "campaigns"), count_in(&web, "assets")), (1, 30));
                assert!(claimed > 0);
            }
            other => panic!("{other}"),
        }
        audit(&web);
    }
    assert_eq!(gone + kept, 8);
}

#[actix_web::test]
async fn many_who_grow_a_campaign_to_the_same_number_grow_it_once() {
    let (web, admin, campaign, ..) = scramble(5).await;
    let change = json!({"quantity": 25});
    let answers = join_all((0..20).map(|_| patch(&admin, &campaign, &change))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert_eq!(count_in(&web, "assets"), 25);
    assert_eq!(count_in(&web, "audit_log where action = 'campaign.edit'"), 1);
}

#[actix_web::test]
async fn a_credit_that_joins_a_campaign_has_its_unit_however_that_changes_meanwhile() {
    let (web, admin, campaign, ..) = scramble(1).await;
    let edits = async {
        for unit in ["PTS", "GOLD", "PTS", "GOLD", "PTS"] {
            assert_eq!(patch(&admin, &campaign, &json!({"asset_type": unit, "amount": "5"})).await.status(), 200);
        }
    };
    let joins = join_all(["GOLD", "PTS"].iter().cycle().take(60).map(async |unit| {
        let new = json!({
            "title": "T", "kind": "signup", "asset_type": unit, "amount": 1, "campaign_id": id(&campaign),
        });
        let status = send(admin.post("/admin/assets").json(&new)).await.status().as_u16();
        assert!([201, 422].contains(&status), "{status}");
    }));
    join(edits, joins).await;
    assert_eq!(
        count_in(&web, "assets a join campaigns c on c.id = a.campaign_id where c.asset_type <> a.asset_type"),
        0
    );
}

#[actix_web::test]
async fn no_amount_is_finer_than_its_unit_however_the_decimals_change_meanwhile() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let (mut fixed, mut changed) = (0, 0);
    for round in 0..40 {
        let code = format!("R{round}");
        let new = json!({"code": code, "name": code, "scale": 2});
        assert_eq!(send(admin.post("/admin/asset-types").json(&new)).await.status(), 201);
        let edit = send(admin.request(Method::PATCH, &format!("/admin/asset-types/{code}")).json(&json!({"scale": 0})));
        // What counts in it first: a movement, a credit or a campaign.
        let mut campaign = body(2);
        (campaign["asset_type"], campaign["amount"]) = (json!(code), json!("1.25"));
        let mut credit = campaign.clone();
        credit["quantity"] = json!(1);
        let top_up = json!({"type": "top_up", "user": user.name, "asset_type": code, "amount": "1.25"});
        let (path, first) =
            [("/transactions", top_up), ("/admin/assets", credit), ("/admin/campaigns", campaign)][round % 3].clone();
        let uses = join_all((0..4).map(|_| send(admin.post(path).json(&first))));
        let (edited, used) = join(edit, uses).await;
        match edited.status().as_u16() {
            200 => changed += 1,
            _ => {
                assert_eq!(problem(edited).await, is(409, "scale_fixed"));
                fixed += 1;
            }
        }
        for answer in used {
            let status = answer.status().as_u16();
            assert!([201, 422].contains(&status), "{path} {status}");
        }
    }
    assert_eq!(fixed + changed, 40);
    for (table, unit) in [("assets", "t.asset_type"), ("campaigns", "t.asset_type"), ("transactions", "t.asset_type")] {
        let too_fine =
            format!("{table} t join asset_types a on a.code = {unit} where t.amount <> round(t.amount, a.scale)");
        assert_eq!(count_in(&web, &too_fine), 0, "{table}: {fixed} fixed, {changed} changed");
    }
    audit(&web);
}
