use std::collections::BTreeMap;
use std::future::Future;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};

use super::*;

type Answers = BTreeMap<&'static str, (u16, &'static str)>;

/// Serves fixed answers on a port of its own.
async fn serve(answers: Answers) -> String {
    async fn answer(State(answers): State<Answers>, uri: Uri, headers: HeaderMap) -> (StatusCode, String) {
        if uri.path() == "/whoami" {
            let who = headers.get("authorization").map_or("nobody", |value| value.to_str().expect("text"));
            return (StatusCode::OK, who.to_owned());
        }
        let (status, body) = answers.get(uri.path()).copied().unwrap_or((404, "<html>no such page</html>"));
        (StatusCode::from_u16(status).expect("a status"), body.to_owned())
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let router = Router::new().fallback(answer).with_state(answers);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn client(url: &str) -> RegistryClient {
    let registry =
        SchemaRegistry { url: format!("{url}/"), subject: None, username_path: None, password_path: None };
    RegistryClient::new(&registry).expect("no credentials to read")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

#[test]
fn a_schema_is_found_by_its_id_and_by_its_subject() {
    block_on(async {
        let url = serve(Answers::from([
            ("/schemas/ids/7", (200, r#"{"schema":"\"string\""}"#)),
            ("/subjects/a%2Fb-value/versions/latest", (200, r#"{"id":7,"schema":"\"int\""}"#)),
        ]))
        .await;
        let found = |text: &str| Answer::Found(text.to_owned());
        assert_eq!(client(&url).schema(7).await.expect("an answer"), found("\"string\""));
        assert_eq!(client(&url).latest("a/b-value").await.expect("an answer"), found("\"int\""));
    });
}

#[test]
fn only_the_registrys_own_not_found_counts_as_not_found() {
    block_on(async {
        let body = r#"{"error_code":40403,"message":"Schema 8 not found"}"#;
        let url = serve(Answers::from([("/schemas/ids/8", (404, body))])).await;
        assert_eq!(client(&url).schema(8).await.expect("an answer"), Answer::NotFound);
        let error = client(&url).schema(9).await.expect_err("a web server's 404");
        assert_eq!(error.problem().reason, "SchemaRegistryRefused");
    });
}

#[test]
fn a_refusal_names_the_address_the_status_and_the_credentials() {
    block_on(async {
        let body = r#"{"error_code":401,"message":"Unauthorized"}"#;
        let url = serve(Answers::from([("/schemas/ids/1", (401, body))])).await;
        let problem = client(&url).schema(1).await.expect_err("refused").problem();
        assert_eq!(problem.reason, "SchemaRegistryRefused");
        assert_eq!(
            problem.message,
            format!(
                "the schema registry refused \"{url}/schemas/ids/1?format=resolved\" with status 401: Unauthorized; \
                 correct the credentials in source.schemaRegistry.secretRef"
            )
        );
    });
}

#[test]
fn nobody_at_the_address_is_an_unreachable_registry() {
    block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket"));
        drop(listener);
        let problem = client(&url).schema(1).await.expect_err("nobody listens").problem();
        assert_eq!(problem.reason, "SchemaRegistryUnreachable");
        assert!(problem.message.contains(&url), "{}", problem.message);
    });
}

#[test]
fn credentials_are_sent_as_basic_authentication() {
    block_on(async {
        let url = serve(Answers::new()).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("the folder is writable");
            Some(path.display().to_string())
        };
        let registry = SchemaRegistry {
            url: url.clone(),
            subject: None,
            username_path: path("user", "aladdin\n"),
            password_path: path("password", "opensesame\n"),
        };
        let client = RegistryClient::new(&registry).expect("both files exist");
        let who = client.ask_for_body(&format!("{url}/whoami")).await.expect("an answer");
        assert_eq!(who.as_deref(), Some("Basic YWxhZGRpbjpvcGVuc2VzYW1l"));
        path("password", "closesesame\n");
        let who = client.ask_for_body(&format!("{url}/whoami")).await.expect("an answer");
        assert_eq!(who.as_deref(), Some("Basic YWxhZGRpbjpjbG9zZXNlc2FtZQ=="), "the password has changed");
    });
}
