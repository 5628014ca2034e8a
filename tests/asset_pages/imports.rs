//! Credits from a file: a look at it, its errors row by row, and its credits, once.

use reqwest::Response;

use crate::support::web::{send, texts, value};
use crate::{House, attributes};

/// Uploads a file as a browser does.
async fn upload(house: &House, file: &[u8]) -> Response {
    let html = house.page("/admin/assets/import").await;
    let token = attributes(&html, "main input[name=csrf_token]", "value").remove(0);
    let head = format!(
        "--x\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\n{token}\r\n--x\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"credits.csv\"\r\nContent-Type: text/csv\r\n\r\n"
    );
    let body = [head.as_bytes(), file, b"\r\n--x--\r\n"].concat();
    let request = house.root.post(house.web.url("/admin/assets/import"));
    send(request.header("content-type", "multipart/form-data; boundary=x").body(body)).await
}

fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[actix_web::test]
async fn the_example_is_a_file_that_can_be_imported_once() {
    let house = House::open().await;
    let example = house.page("/admin/assets/import?format=csv").await;
    let look = location(&upload(&house, example.as_bytes()).await);
    let html = house.page(&look).await;
    assert_eq!(texts(&html, ".facts dd"), ["20 credits, worth 3,000.00 CASH", "1 credit, worth 250 PTS"]);
    assert_eq!(texts(&html, "tbody th"), ["Festive Cashback", "Welcome Bonus"]);
    assert!(value(&html, "csrf_token").is_some());
    let answer = house.submit(&look, &[]).await;
    assert_eq!(house.flash(answer, "/admin/assets").await, "Created 21 credits.");
    let answer = house.submit(&look, &[]).await;
    assert_eq!(house.flash(answer, "/admin/assets").await, "The credits of this file are created, once.");
    assert_eq!(house.admin.walk("/assets?limit=200").await.len(), 21);
    assert_eq!(texts(&house.page(&look).await, "h1"), ["This file is imported"]);
}

#[actix_web::test]
async fn errors_are_told_row_by_row_and_nothing_is_created() {
    let house = House::open().await;
    let file = "title,kind,asset_type,amount\nGood,signup,CASH,1\n,signup,CASH,1\nBad,signup,CASH,1.234\n";
    let look = location(&upload(&house, file.as_bytes()).await);
    let html = house.page(&look).await;
    let told = texts(&html, ".summary li");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("Row 2, title: ") && told[1].starts_with("Row 3, amount: "), "{told:?}");
    assert!(attributes(&html, "main form", "action").is_empty());
    assert_eq!(house.submit(&look, &[]).await.status(), 422);
    assert!(house.admin.walk("/assets?limit=200").await.is_empty());
}

#[actix_web::test]
async fn what_is_no_file_brings_the_form_back() {
    let house = House::open().await;
    for (file, message) in
        [(Vec::new(), "Choose a file that is not empty."), (vec![0xff, 0xfe, 0x00], "Save the file as text in UTF-8.")]
    {
        let answer = upload(&house, &file).await;
        assert_eq!(answer.status(), 422);
        assert_eq!(texts(&answer.text().await.unwrap(), "#file-error"), [message]);
    }
    let stranger = crate::support::web::browser();
    let url = house.web.url("/admin/assets/import/01890a5d-ac96-774b-bcce-b302099a8057");
    assert_eq!(send(house.root.get(&url)).await.status(), 404);
    assert_eq!(send(stranger.get(&url)).await.status(), 303);
}

#[actix_web::test]
async fn a_file_that_another_site_sends_is_refused() {
    let house = House::open().await;
    let body = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ntitle\r\n--x--\r\n";
    let forged = house.root.post(house.web.url("/admin/assets/import"));
    let forged = forged.header("content-type", "multipart/form-data; boundary=x").body(body);
    assert_eq!(send(forged).await.status(), 403);
}

#[actix_web::test]
async fn a_file_that_is_wrong_all_over_is_told_in_part_and_at_once() {
    let house = House::open().await;
    let row = "Bad,signup,CASH,1.234,10000\n";
    let file = format!("title,kind,asset_type,amount,quantity\n{}", row.repeat(10_000));
    let look = location(&upload(&house, file.as_bytes()).await);
    let told = texts(&house.page(&look).await, ".summary li");
    assert_eq!((told.len(), told[100].as_str()), (101, "9900 more are not listed."));
}
