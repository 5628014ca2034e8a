//! Real browsers: one chromedriver per test binary, and a fresh profile per browser.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use super::web::{PASSWORD, Web};

/// How long a page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked at meanwhile.
const PERIOD: Duration = Duration::from_millis(20);

/// The zone of all browsers, none that the server's texts could be mistaken for.
const ZONE: &str = "Asia/Kolkata";

/// Runs chromedriver in a process group of its own, waits until the test process ends, however it
/// ends, since then its end of the pipe closes; then ends the group, which is chromedriver and all
/// browsers, and removes their folder.
const WATCHDOG: &str = r#"
"$1" --port=0 </dev/null 2>/dev/null &
exec >&-
read -r _
trap '' TERM
kill -TERM 0
wait
for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$2" && break; sleep 0.2; done
kill -KILL 0
"#;

/// What the driver prints before its port, when it can be asked.
const READY: &str = "was started successfully on port ";

/// The chromedriver of this test binary.
#[derive(Debug)]
struct Driver {
    /// Host and port.
    address: String,
    chromium: PathBuf,
    folder: PathBuf,
    browsers: AtomicU32,
    // Dropped when the test process ends, and so noticed by the watchdog.
    _watchdog: Child,
    _output: BufReader<ChildStdout>,
}

/// The driver of this test binary, started by the first test that asks.
fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    DRIVER.get_or_init(Driver::start)
}

/// A program in `PATH`, by any of its names.
fn program(names: &[&str], package: &str) -> PathBuf {
    let folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    found.into_iter().find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("{} is not in PATH: install it (Debian's package is {package}), or run make test", names[0])
    })
}

impl Driver {
    fn start() -> Self {
        let chromium = program(&["chromium", "chromium-browser", "google-chrome"], "chromium");
        let chromedriver = program(&["chromedriver"], "chromium-driver");
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = env::temp_dir().join(format!("coffer-browser-{}", &id[..8]));
        std::fs::create_dir_all(&folder).expect("a folder for the browsers");
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .args([&chromedriver, &folder])
            .env("HOME", &folder)
            .env("TMPDIR", &folder)
            .env("TZ", ZONE)
            .env("LANGUAGE", "en_US")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C ends the tests, and must not end this; and the group is what it ends.
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let mut output = BufReader::new(watchdog.stdout.take().expect("a pipe"));
        let mut said = String::new();
        let port: u16 = loop {
            let start = said.len();
            let read = output.read_line(&mut said).expect("chromedriver speaks");
            assert_ne!(read, 0, "chromedriver does not start: {said}");
            let port = said[start..].split_once(READY).map(|(_, port)| port.trim().trim_end_matches('.'));
            if let Some(port) = port {
                break port.parse().expect("a port");
            }
        };
        Self {
            address: format!("127.0.0.1:{port}"),
            chromium,
            folder,
            browsers: AtomicU32::new(0),
            _watchdog: watchdog,
            _output: output,
        }
    }

    /// What a browser is started with.
    fn capabilities(&self, scripts: Scripts) -> Value {
        let number = self.browsers.fetch_add(1, Ordering::Relaxed);
        let arguments = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--lang=en-US".to_owned(),
            // It works neither for root nor in most containers, and guards against strangers' pages;
            // these are ours.
            "--no-sandbox".to_owned(),
            "--window-size=1280,900".to_owned(),
            format!("--user-data-dir={}", self.folder.join(format!("profile-{number}")).display()),
        ];
        let mut options = json!({ "binary": self.chromium, "args": arguments, "prefs": {} });
        if scripts == Scripts::Off {
            options["prefs"]["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        json!({ "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"} })
    }
}

/// What a browser is shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// 1280 pixels wide, with a mouse.
    Desk,
    /// 390 pixels wide, with a finger.
    Phone,
}

impl Screen {
    /// Its width in CSS pixels.
    pub fn width(self) -> u64 {
        match self {
            Self::Desk => 1280,
            Self::Phone => 390,
        }
    }

    /// Its height in CSS pixels.
    pub fn height(self) -> u64 {
        match self {
            Self::Desk => 900,
            Self::Phone => 844,
        }
    }

    /// How many of its own pixels a CSS pixel has in a row.
    pub fn density(self) -> u64 {
        match self {
            Self::Desk => 1,
            Self::Phone => 2,
        }
    }
}

/// Which colours a reader prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// As browsers come.
    On,
    /// As some people have it.
    Off,
}

/// A browser at a web, with cookies of its own. Dropping it closes it.
#[derive(Debug)]
pub struct Browser {
    /// What the driver does for it.
    pub client: Client,
    screen: Screen,
    session: String,
    web: String,
}

impl Browser {
    /// A new browser, which has no page open.
    pub async fn start(web: &Web, screen: Screen, scripts: Scripts) -> Self {
        let driver = driver();
        let Value::Object(capabilities) = driver.capabilities(scripts) else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{}", driver.address))
            .await
            .expect("chromium starts");
        let session = client.session_id().await.unwrap().expect("a session");
        let browser = Self { client, screen, session, web: web.url("") };
        if screen == Screen::Phone {
            browser.become_phone().await;
        }
        browser
    }

    /// A new browser in which a user who has [`PASSWORD`] has asked for a page and signed in.
    pub async fn signed_in(web: &Web, login: &str, path: &str, screen: Screen, scripts: Scripts) -> Self {
        let browser = Self::start(web, screen, scripts).await;
        browser.open(path).await;
        browser.sign_in(login).await;
        browser.arrive(path).await;
        browser
    }

    /// Nothing sticks out of the page, and nothing on it breaks its rules.
    pub async fn assert_sound(&self) {
        let widths = self.ask("[document.documentElement.scrollWidth, window.innerWidth]").await;
        let (page, window) = (widths[0].as_u64().unwrap(), widths[1].as_u64().unwrap());
        let place = self.place().await;
        assert!(page <= window && window == self.screen.width(), "{page} in {window} at {place}");
        assert_eq!(self.complaints().await, [""; 0], "{place}");
    }

    /// No window is narrower than 500 pixels, but a phone is. The driver's own phones do not click
    /// where scripts are off.
    async fn become_phone(&self) {
        let screen = json!({"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true});
        let finger = json!({"enabled": true, "maxTouchPoints": 5});
        for (command, parameters) in
            [("Emulation.setDeviceMetricsOverride", screen), ("Emulation.setTouchEmulationEnabled", finger)]
        {
            self.command("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await;
        }
    }

    /// Shows pages from now on at another width and in another theme, without anything that moves.
    pub async fn look(&self, screen: Screen, theme: Theme) {
        let size = json!({"width": screen.width(), "height": screen.height(), "mobile": false,
            "deviceScaleFactor": screen.density()});
        let theme = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        for (command, parameters) in
            [("Emulation.setDeviceMetricsOverride", size), ("Emulation.setEmulatedMedia", media)]
        {
            self.tool(command, parameters).await;
        }
    }

    /// What a command of the browser's own tools gives.
    pub async fn tool(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    /// A command of chromedriver's own.
    async fn command(&self, path: &str, body: Value) -> Value {
        let address = format!("http://{}/session/{}/{path}", driver().address, self.session);
        let answer = reqwest::Client::new().post(address).json(&body).send().await.expect("chromedriver answers");
        assert_eq!(answer.status(), 200, "{path}");
        answer.json::<Value>().await.expect("JSON")["value"].take()
    }

    /// Opens a page by its address.
    pub async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.web)).await.expect(path);
    }

    /// Where it is now: path and query.
    pub async fn place(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.as_str().strip_prefix(&self.web).unwrap_or(url.as_str()).to_owned()
    }

    /// Waits until it is at a path, and the page is there as a whole.
    pub async fn arrive(&self, path: &str) {
        self.until(&format!("to be at {path}"), async || {
            let ready = self.client.execute("return document.readyState", Vec::new()).await?;
            Ok(self.place().await == path && ready == "complete")
        })
        .await;
    }

    /// The visible texts of all elements that a selector chooses.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        self.try_texts(selector).await.expect(selector)
    }

    async fn try_texts(&self, selector: &str) -> Result<Vec<String>, CmdError> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText.trim())";
        let found = self.client.execute(script, vec![json!(selector)]).await?;
        Ok(serde_json::from_value(found).unwrap())
    }

    /// Waits until an element that a selector chooses shows these words among others.
    pub async fn see(&self, selector: &str, words: &str) {
        let what = format!("to see “{words}” in {selector}");
        self.until(&what, async || Ok(self.try_texts(selector).await?.iter().any(|text| text.contains(words)))).await;
    }

    /// What a script gives, sent by the driver and so also where pages may run none.
    pub async fn ask(&self, script: &str) -> Value {
        self.client.execute(&format!("return {script}"), Vec::new()).await.expect(script)
    }

    /// Types into a field of the page's form, instead of what stands there.
    pub async fn fill(&self, name: &str, text: &str) {
        let field = self.find(&format!("main [name={name}]")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Puts a value into a field of any kind at once; a box is ticked.
    pub async fn put(&self, name: &str, value: &str) {
        let script = "const field = document.querySelector(`main [name=\"${arguments[0]}\"]`); \
            if (field.type === 'checkbox') field.click(); else field.value = arguments[1];";
        self.client.execute(script, vec![json!(name), json!(value)]).await.expect(name);
    }

    /// Chooses an option of a select.
    pub async fn choose(&self, name: &str, value: &str) {
        self.find(&format!("main select[name={name}]")).await.select_by_value(value).await.unwrap();
    }

    /// What stands in a field.
    pub async fn value(&self, name: &str) -> String {
        self.find(&format!("main [name={name}]")).await.prop("value").await.unwrap().unwrap_or_default()
    }

    /// The first element that a selector chooses, once there is one.
    pub async fn find(&self, selector: &str) -> Element {
        self.client.wait().at_most(PATIENCE).every(PERIOD).for_element(Locator::Css(selector)).await.expect(selector)
    }

    /// The visible button or link whose words, spoken ones among them, begin so; brought to where
    /// no bar of the page covers it.
    pub async fn control(&self, words: &str) -> Element {
        let path = format!("//*[self::a or self::button or self::summary][starts-with(normalize-space(.), '{words}')]");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            for element in self.client.find_all(Locator::XPath(&path)).await.unwrap() {
                if element.is_displayed().await.unwrap_or(false) {
                    return self.centred(element).await;
                }
            }
            tokio::time::sleep(PERIOD).await;
        }
        panic!("no button or link “{words}” on {}: {:?}", self.place().await, self.texts("body").await)
    }

    async fn centred(&self, element: Element) -> Element {
        let script = "arguments[0].scrollIntoView({block: 'center'})";
        self.client.execute(script, vec![json!(element)]).await.unwrap();
        element
    }

    /// Presses a button or follows a link.
    pub async fn press(&self, words: &str) {
        self.click(self.control(words).await, 1).await;
    }

    /// Presses the page's own button or link whose words begin so, wherever it is.
    pub async fn press_in_main(&self, words: &str) {
        let script = "[...document.querySelectorAll('main button, main a')] \
            .find((control) => control.textContent.trim().startsWith(arguments[0])).click()";
        self.client.execute(script, vec![json!(words)]).await.expect(words);
    }

    /// Presses a button twice, as quickly as a mouse can.
    pub async fn press_twice(&self, words: &str) {
        self.click(self.control(words).await, 2).await;
    }

    /// Moves the mouse and clicks. The driver's own click waits, where it takes a page for a
    /// phone's, for a script that never runs where scripts are off.
    async fn click(&self, element: Element, times: usize) {
        let to = PointerAction::MoveToElement { element, duration: None, x: 0., y: 0. };
        let mouse = (0..times).fold(MouseActions::new("mouse".to_owned()).then(to), |mouse, _| {
            let button = MOUSE_BUTTON_LEFT;
            mouse.then(PointerAction::Down { button }).then(PointerAction::Up { button })
        });
        self.client.perform_actions(mouse).await.expect("a click");
    }

    /// Signs in a user who has [`PASSWORD`], from any page that shows the form.
    pub async fn sign_in(&self, login: &str) {
        self.fill("login", login).await;
        self.fill("password", PASSWORD).await;
        self.press_submit("Sign in").await;
    }

    /// Presses the button of the page's form, since a link may have the same words.
    pub async fn press_submit(&self, words: &str) {
        let button = self.find("main form button[type=submit]").await;
        assert_eq!(button.text().await.unwrap(), words);
        self.click(self.centred(button).await, 1).await;
    }

    /// The folder into which everything comes that is downloaded from now on.
    pub async fn keep_downloads(&self) -> PathBuf {
        let folder = driver().folder.join(format!("downloads-{}", self.session));
        std::fs::create_dir_all(&folder).expect("a folder for downloads");
        self.tool("Browser.setDownloadBehavior", json!({"behavior": "allow", "downloadPath": folder})).await;
        folder
    }

    /// The name and the contents of the file that has been downloaded into a folder.
    pub async fn downloaded(&self, folder: &Path) -> (String, Vec<u8>) {
        let files = || std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
        let is_whole = |file: &PathBuf| file.extension().is_some_and(|ending| ending != "crdownload");
        self.until("for a download", async || Ok(files().len() == 1 && files().iter().all(is_whole))).await;
        let file = files().remove(0);
        (file.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&file).unwrap())
    }

    /// What the browser had to complain about since it was last asked: errors of scripts, breaches
    /// of the content security policy, files that are not there. A page's own status is none.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", json!({"type": "browser"})).await;
        let entries = log.as_array().expect("a log").iter();
        let messages = entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        messages
            .filter(|message| !message.contains("Failed to load resource") || message.contains("/static/"))
            .collect()
    }

    /// Waits until something holds. What the driver cannot tell, as while a page changes, does not
    /// hold yet.
    async fn until(&self, what: &str, holds: impl AsyncFn() -> Result<bool, CmdError>) {
        let deadline = Instant::now() + PATIENCE;
        let mut last = holds().await;
        while !matches!(last, Ok(true)) {
            if Instant::now() >= deadline {
                let (place, texts) = (self.place().await, self.texts("body").await);
                panic!("waited in vain {what}, on {place}: {last:?} {texts:?}");
            }
            tokio::time::sleep(PERIOD).await;
            last = holds().await;
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // By hand, since nothing can be awaited here.
        let Ok(mut driver) = TcpStream::connect(&driver().address) else { return };
        let request = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.session
        );
        let _ = driver.set_read_timeout(Some(PATIENCE));
        let _ = driver.write_all(request.as_bytes()).and_then(|()| driver.read(&mut [0; 64]));
    }
}
