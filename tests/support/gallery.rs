//! A web in which something has happened, and every page of it as somebody sees it: for whoever
//! looks at all of them.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use coffer::domain::Role;
use coffer::repo::{assets, users};
use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::api::{Caller, id, text};
use super::browser::Browser;
use super::web::{PASSWORD, Web, browser, post, send, submit};

/// For how many days something has happened.
const DAYS: i64 = 70;

/// Code, name, decimals, and whether users may send it to each other.
const UNITS: [(&str, &str, u8, bool); 3] =
    [("CASH", "Cashback", 2, true), ("GOLD", "Gold Coins", 2, false), ("PTS", "Loyalty Points", 0, false)];

/// What is bought, and for how much.
const PURCHASES: [(&str, &str); 7] = [
    ("Coffee beans", "12.40"),
    ("Bookshop", "23.90"),
    ("Groceries", "31.75"),
    ("Cinema tickets", "18.00"),
    ("Flowers for Meera", "15.50"),
    ("Train to Pune", "42.20"),
    ("Lunch", "9.80"),
];

/// Title, kind, asset type, amount.
type Credit = (&'static str, &'static str, &'static str, &'static str);

const CREDITS: [Credit; 6] = [
    ("Signup Bonus 100", "signup", "CASH", "100.00"),
    ("Referral Reward 75", "referral", "CASH", "75.00"),
    ("Festive Cashback 150", "promotional", "CASH", "150.00"),
    ("Treasure Chest", "promotional", "GOLD", "40.00"),
    ("Anniversary Points", "promotional", "PTS", "1000"),
    ("Weekend Cashback 25", "promotional", "CASH", "25.00"),
];

/// Who looks at a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Nobody is signed in.
    Nobody,
    /// `asha`, who has lived with Coffer for weeks.
    User,
    /// `newcomer`, who has nothing yet.
    Newcomer,
    /// `frozen`, who may only look.
    Frozen,
    /// `root`, the admin.
    Admin,
}

impl Who {
    /// All of them, in the order in which their pages are looked at.
    pub const ALL: [Self; 5] = [Self::Nobody, Self::User, Self::Newcomer, Self::Frozen, Self::Admin];

    fn login(self) -> Option<&'static str> {
        match self {
            Self::Nobody => None,
            Self::User => Some("asha"),
            Self::Newcomer => Some("newcomer"),
            Self::Frozen => Some("frozen"),
            Self::Admin => Some("root"),
        }
    }
}

/// A page as somebody sees it, perhaps after something was done on another one.
#[derive(Debug, Clone)]
pub struct Sight {
    /// What it is called, fit for a file.
    pub name: &'static str,
    /// Who looks.
    pub who: Who,
    /// The page that is opened.
    pub path: String,
    /// What is filled in there.
    pub fields: &'static [(&'static str, &'static str)],
    /// The button that is pressed then, and what shows that its page has come.
    pub press: Option<(&'static str, &'static str)>,
}

impl Sight {
    /// Lets a browser in which its looker is signed in see it.
    pub async fn show(&self, browser: &Browser) {
        browser.open(&self.path).await;
        for (name, value) in self.fields {
            browser.put(name, value).await;
        }
        if let Some((words, selector)) = self.press {
            browser.press_in_main(words).await;
            // Says where it is if it waits in vain.
            browser.see(selector, "").await;
        }
        // What would come again by itself stays as it is.
        browser.ask("window.stop()").await;
    }

    /// A browser's way to be somebody.
    pub async fn enter(browser: &Browser, who: Who) {
        browser.client.delete_all_cookies().await.unwrap();
        if let Some(login) = who.login() {
            browser.open("/login").await;
            browser.sign_in(login).await;
            browser.find("nav .menu").await;
        }
    }
}

/// A web with a history, and what there is to see in it.
pub struct Gallery {
    /// The web.
    pub web: Web,
    /// Everything there is to see, by looker.
    pub sights: Vec<Sight>,
}

impl Gallery {
    /// Lets weeks go by, and stops today.
    pub async fn open() -> Self {
        let web = Web::start_unthrottled();
        web.wait_seconds(-DAYS * 86_400);
        for (name, role) in [("root", Role::Admin), ("newcomer", Role::User), ("frozen", Role::User)] {
            web.have_user(name, role);
        }
        for name in ["asha", "bela", "chandra", "meera"] {
            let body = json!({"username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
            assert_eq!(post(&web, "/api/v1/auth/register", body).await.status(), 201);
        }
        let past = Past::of(&web).await;
        past.begin().await;
        for day in 0..DAYS {
            web.wait_seconds(86_400);
            past.live(usize::try_from(day).unwrap()).await;
        }
        let sights = past.end().await;
        Self { web, sights }
    }
}

/// Those who make the history.
struct Past<'a> {
    web: &'a Web,
    root: Caller,
    asha: Caller,
    bela: Caller,
}

impl<'a> Past<'a> {
    async fn of(web: &'a Web) -> Self {
        let client = Client::new();
        let be = async |name: &str| {
            let caller = Caller::sign_in(&client, &web.url(""), name, PASSWORD).await;
            // A token would not live as long.
            caller.by_password(name, PASSWORD)
        };
        Self { web, root: be("root").await, asha: be("asha").await, bela: be("bela").await }
    }

    /// What a request that must succeed is answered.
    async fn done(&self, caller: &Caller, method: Method, path: &str, body: &Value) -> Value {
        let answer = send(caller.request(method, path).json(body)).await;
        assert!(answer.status().is_success(), "{path} {body}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap_or_default()
    }

    async fn post(&self, caller: &Caller, path: &str, body: &Value) -> Value {
        self.done(caller, Method::POST, path, body).await
    }

    async fn pay(&self, caller: &Caller, kind: &str, unit: &str, amount: &str, why: &str, more: Value) -> Value {
        let mut body = json!({"type": kind, "asset_type": unit, "amount": amount, "description": why});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.post(caller, "/transactions", &body).await
    }

    async fn begin(&self) {
        for (code, name, scale, transferable) in UNITS {
            let body = json!({"code": code, "name": name, "scale": scale, "minimum_balance": "0",
                "transferable": transferable});
            self.post(&self.root, "/admin/asset-types", &body).await;
        }
        for (user, unit, amount) in [
            ("asha", "CASH", "180.00"),
            ("asha", "GOLD", "64.00"),
            ("asha", "PTS", "1200"),
            ("bela", "CASH", "90.00"),
            ("frozen", "CASH", "20.00"),
        ] {
            self.pay(&self.root, "top_up", unit, amount, "Opening balance", json!({"user": user})).await;
        }
        let campaign = json!({"title": "Coffee Break", "description": "A coffee for the first ones.",
            "kind": "promotional", "asset_type": "CASH", "amount": "3.50", "quantity": 40, "per_user_limit": 3,
            "ends_at": chrono::Utc::now() + chrono::TimeDelta::days(12)});
        self.post(&self.root, "/admin/campaigns", &campaign).await;
        let brief = json!({"title": "Lunch Hour Cashback", "kind": "promotional", "asset_type": "CASH",
            "amount": "10.00", "quantity": 3, "expires_at": chrono::Utc::now() - chrono::TimeDelta::days(DAYS - 9)});
        self.root.create(&brief).await;
    }

    async fn live(&self, day: usize) {
        let (what, price) = PURCHASES[day % PURCHASES.len()];
        if day % 3 == 1 {
            self.pay(&self.asha, "spend", "CASH", price, what, Value::Null).await;
        }
        if day % 7 == 2 {
            let more = json!({"user": "asha"});
            self.pay(&self.root, "bonus", "CASH", "45.00", "Weekly bonus", more).await;
        }
        if day % 4 == 3 {
            let (title, kind, unit, amount) = CREDITS[day % CREDITS.len()];
            let asset = json!({"title": title, "kind": kind, "asset_type": unit, "amount": amount});
            let claimer = if day % 8 == 3 { &self.asha } else { &self.bela };
            let asset = id(&self.root.create(&asset).await[0]);
            assert_eq!(send(claimer.claim(asset)).await.status(), 201);
        }
        if day % 13 == 5 {
            let more = json!({"receiver": "bela"});
            self.pay(&self.asha, "transfer", "CASH", "12.00", "Dinner on Friday", more).await;
        }
        if day % 13 == 8 {
            let more = json!({"receiver": "asha"});
            self.pay(&self.bela, "transfer", "CASH", "7.25", "My part of the taxi", more).await;
        }
    }

    /// The last day, and what there is to see in the evening.
    async fn end(&self) -> Vec<Sight> {
        for (title, kind, unit, amount) in CREDITS {
            let asset = json!({"title": title, "description": "Thank you for being with us.", "kind": kind,
                "asset_type": unit, "amount": amount, "quantity": 1});
            self.root.create(&asset).await;
        }
        let coffee = id(&self.root.read("/campaigns?limit=1").await["data"][0]);
        for (title, text, amount, quantity) in [
            ("Early Birds", "For whoever comes first.", "50.00", 1),
            ("Monsoon Cashback", "Stay dry, and take this with you.", "20.00", 24),
        ] {
            let campaign = json!({"title": title, "description": text, "kind": "promotional", "asset_type": "CASH",
                "amount": amount, "quantity": quantity, "ends_at": chrono::Utc::now() + chrono::TimeDelta::hours(30)});
            let campaign = id(&self.post(&self.root, "/admin/campaigns", &campaign).await);
            if quantity == 1 {
                self.post(&self.bela, "/claims", &json!({"campaign_id": campaign})).await;
            }
        }
        self.post(&self.asha, "/claims", &json!({"campaign_id": coffee})).await;
        let open = self.root.read("/assets?status=available&kind=promotional&asset_type=GOLD&limit=1").await;
        let free = id(&open["data"][0]);
        let claimed = id(&self.root.read("/assets?status=claimed&limit=1").await["data"][0]);
        let lapsed = self
            .root
            .create(&json!({"title": "Last Call", "kind": "promotional", "asset_type": "CASH",
            "amount": "5.00"}))
            .await;
        let lapsed = id(&lapsed[0]);
        self.post(&self.root, &format!("/admin/assets/{lapsed}/expire"), &json!({})).await;
        let campaign = id(&self.root.read("/campaigns?limit=1").await["data"][0]);
        let wrong = json!({"user": "asha"});
        let wrong = self.pay(&self.root, "bonus", "CASH", "5.00", "Given by mistake", wrong).await;
        let wrong = text(&wrong["id"]);
        self.post(&self.root, &format!("/transactions/{wrong}/reverse"), &json!({"reason": "Given by mistake"})).await;
        let sent = self.pay(&self.asha, "transfer", "CASH", "8.00", "Tea", json!({"receiver": "bela"})).await;
        let sent = text(&sent["id"]);
        let freeze = json!({"status": "frozen", "reason": "Lost the phone"});
        self.done(&self.root, Method::PATCH, "/admin/users/frozen", &freeze).await;
        let key = self.post(&self.asha, "/me/api-keys", &json!({"name": "nightly export"})).await;
        // The check of the books and its figures.
        let root = browser();
        submit(self.web, &root, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
        submit(self.web, &root, "/admin/ledger/check", &[]).await;
        let late = text(&self.pay(&self.asha, "spend", "CASH", "4.20", "Chai", Value::Null).await["id"]);
        let receipt = self.receipts(&sent, &wrong, &late).await;
        let imports = ["Gift,signup,CASH,5.00,20", ",signup,CASH,0.001,x"].map(|row| self.keep(row));
        let key = key["id"].as_i64().unwrap();
        sights(&Known { free, claimed, lapsed, campaign, wrong, sent, late, key, receipt, imports })
    }

    /// Asks for the receipts of three transactions, of which the second one could not be made and the
    /// third one is not made yet; gives the code of the first.
    async fn receipts(&self, made: &str, failed: &str, late: &str) -> String {
        let wait = format!(
            "create function wait() returns trigger language plpgsql as $$ begin
                 new.next_attempt_at := new.next_attempt_at + interval '1 day'; return new; end $$;
             create trigger wait before insert on receipts for each row when (new.transaction_id = '{late}')
                 execute function wait()"
        );
        self.web.db.run_here(|conn| Ok(conn.batch_execute(&wait)?)).unwrap();
        for transaction in [made, failed, late] {
            send(self.asha.get(&format!("/transactions/{transaction}/receipt"))).await;
        }
        let fail = format!(
            "update receipts set status = 'failed', attempts = 3, error = 'no space left on device', pdf = null
             where transaction_id = '{failed}'"
        );
        let code = format!("select code from receipts where transaction_id = '{made}'");
        let found = self.web.db.run_here(|conn| {
            conn.batch_execute(&fail)?;
            Ok(sql_query(code).get_result::<Code>(conn)?)
        });
        found.unwrap().code
    }

    /// Keeps a file with one row as an upload of root's; gives the number of its page.
    fn keep(&self, row: &str) -> String {
        let file = format!("title,kind,asset_type,amount,quantity\n{row}\n");
        let kept = self.web.db.run_here(|conn| {
            let root = users::by_external_id(conn, "root")?.expect("an admin");
            assets::keep(conn, root.id, &file, chrono::Utc::now())
        });
        kept.unwrap().to_string()
    }
}

/// What pages are about.
struct Known {
    free: i64,
    claimed: i64,
    lapsed: i64,
    campaign: i64,
    wrong: String,
    sent: String,
    /// A transaction whose receipt is being prepared.
    late: String,
    key: i64,
    /// The code of a receipt.
    receipt: String,
    /// A file that can be imported, and one that cannot.
    imports: [String; 2],
}

#[derive(QueryableByName)]
struct Code {
    #[diesel(sql_type = Text)]
    code: String,
}

fn look(who: Who, name: &'static str, path: impl Into<String>) -> Sight {
    Sight { name, who, path: path.into(), fields: &[], press: None }
}

fn sights(known: &Known) -> Vec<Sight> {
    let press = |sight: Sight, words, selector| Sight { press: Some((words, selector)), ..sight };
    let mut sights = super::sights::before_sign_in();
    sights.extend(super::sights::of_users(&known.sent, known.key));
    sights.extend(super::sights::of_admins(known.campaign, &known.wrong));
    for (name, asset) in
        [("credit-free", known.free), ("credit-claimed", known.claimed), ("credit-expired", known.lapsed)]
    {
        sights.push(look(Who::Admin, name, format!("/admin/assets/{asset}")));
    }
    sights.push(look(Who::Nobody, "verify-genuine", format!("/verify/{}", known.receipt)));
    sights.push(look(Who::User, "receipt-failed", format!("/transactions/{}/receipt", known.wrong)));
    sights.push(look(Who::User, "receipt-waiting", format!("/transactions/{}/receipt", known.late)));
    for (name, file) in ["import-preview", "import-wrong"].into_iter().zip(&known.imports) {
        sights.push(look(Who::Admin, name, format!("/admin/assets/import/{file}")));
    }
    let of = |id: i64, page: &str| format!("/admin/assets/{id}/{page}");
    sights.push(look(Who::Admin, "credit-edit", of(known.free, "edit")));
    sights.push(look(Who::Admin, "credit-expire", of(known.free, "expire")));
    sights.push(press(look(Who::Admin, "credit-delete", of(known.free, "delete")), "Delete the credit", ".summary"));
    sights.push(look(Who::Admin, "credit-recreate", of(known.lapsed, "recreate")));
    sights
}
