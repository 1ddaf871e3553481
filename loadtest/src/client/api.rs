//! The HTTP API as a signed-in person uses it, and WHIP and WHEP.

use anyhow::{Context, Result, bail};
use lectern_protocol::api::{
    Account, ChoosePassword, Class, DevicePurpose, DeviceToken, Invitation, JoinGrant, JoinRequest, Me, NewAccount,
    NewClass, NewDeviceToken, NewPlace, Place, Problem, SignIn,
};
use reqwest::{Method, Response, header};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// How long any request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A session with a server.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    url: String,
    insecure: bool,
    cookie: Option<String>,
    csrf: Option<String>,
}

impl Api {
    /// Nobody signed in yet. `insecure` takes any certificate: for a server with a CA of its own.
    ///
    /// # Errors
    /// If the TLS library can't be set up.
    pub fn new(url: &str, insecure: bool) -> Result<Self> {
        // Only the first call of a process installs it; the others find it there.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(TIMEOUT).danger_accept_invalid_certs(insecure).build()?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), insecure, cookie: None, csrf: None })
    }

    /// The server's address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether any certificate is taken.
    #[must_use]
    pub fn insecure(&self) -> bool {
        self.insecure
    }

    /// Whether `/readyz` says yes.
    pub async fn ready(&self) -> bool {
        self.http.get(format!("{}/readyz", self.url)).send().await.is_ok_and(|r| r.status().is_success())
    }

    /// Signs in.
    ///
    /// # Errors
    /// What the server says.
    pub async fn sign_in(&mut self, login: &str, password: &str) -> Result<Me> {
        let body = SignIn { login: login.to_owned(), password: password.to_owned() };
        self.enter("/api/v1/session", &body).await
    }

    /// Takes an invitation: chooses the password, and is signed in.
    ///
    /// # Errors
    /// What the server says.
    pub async fn choose_password(&mut self, link: &str, password: &str) -> Result<Me> {
        let token = link.split_once('#').map_or(link, |(_, token)| token).to_owned();
        self.enter("/api/v1/password", &ChoosePassword { token, password: password.to_owned() }).await
    }

    async fn enter(&mut self, path: &str, body: &impl Serialize) -> Result<Me> {
        let response = self.send(Method::POST, path, Some(body)).await?;
        let cookies = response.headers().get_all(header::SET_COOKIE).iter();
        let pairs: Vec<String> =
            cookies.filter_map(|c| c.to_str().ok()?.split(';').next().map(str::to_owned)).collect();
        self.cookie = Some(pairs.join("; "));
        let me: Me = response.json().await.context("reading who is signed in")?;
        self.csrf = Some(me.csrf.clone());
        Ok(me)
    }

    /// All places that one may see.
    ///
    /// # Errors
    /// What the server says.
    pub async fn places(&self) -> Result<Vec<Place>> {
        self.get("/api/v1/places").await
    }

    /// Makes a place.
    ///
    /// # Errors
    /// What the server says.
    pub async fn new_place(&self, place: &NewPlace) -> Result<Place> {
        self.post("/api/v1/places", place).await
    }

    /// Makes an account.
    ///
    /// # Errors
    /// What the server says.
    pub async fn new_account(&self, account: &NewAccount) -> Result<Invitation> {
        self.post("/api/v1/accounts", account).await
    }

    /// Makes a timetable entry.
    ///
    /// # Errors
    /// What the server says.
    pub async fn new_class(&self, class: &NewClass) -> Result<Class> {
        self.post("/api/v1/classes", class).await
    }

    /// A token for WHIP and WHEP.
    ///
    /// # Errors
    /// What the server says.
    pub async fn device_token(&self, class: &Class) -> Result<DeviceToken> {
        let wish = NewDeviceToken { purpose: DevicePurpose::Publish };
        self.post(&format!("/api/v1/classes/{}/device-token", class.id), &wish).await
    }

    /// Asks to enter a class by its code; the signed-in teacher of the class enters as teacher.
    ///
    /// # Errors
    /// What the server says.
    pub async fn join(&self, code: &str, name: &str) -> Result<JoinGrant> {
        let request = JoinRequest { name: name.to_owned(), classroom: false, resume: None };
        self.post(&format!("/api/v1/classes/{code}/join"), &request).await
    }

    /// POSTs an offer to a WHIP or WHEP endpoint (RFC 9725 §4.2): the session's address and the answer.
    ///
    /// # Errors
    /// What the server says.
    pub async fn offer(&self, endpoint: &str, token: &str, sdp: String) -> Result<(String, String)> {
        let url = self.absolute(endpoint);
        let request = self.http.post(&url).bearer_auth(token).header(header::CONTENT_TYPE, "application/sdp").body(sdp);
        let response = checked(request.send().await.with_context(|| format!("POST {url}"))?, "POST", &url).await?;
        let location = response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok());
        let location = self.absolute(location.context("the answer names no session (RFC 9725 §4.2)")?);
        Ok((location, response.text().await.context("reading the SDP answer")?))
    }

    /// Ends a WHIP or WHEP session.
    ///
    /// # Errors
    /// What the server says.
    pub async fn end_session(&self, location: &str, token: &str) -> Result<()> {
        let response = self.http.delete(location).bearer_auth(token).send().await?;
        checked(response, "DELETE", location).await.map(drop)
    }

    /// Anything that the API gives as JSON.
    ///
    /// # Errors
    /// What the server says.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let response = self.send(Method::GET, path, None::<&()>).await?;
        response.json().await.with_context(|| format!("reading the answer to GET {path}"))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let response = self.send(Method::POST, path, Some(body)).await?;
        response.json().await.with_context(|| format!("reading the answer to POST {path}"))
    }

    async fn send(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<Response> {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method.clone(), &url);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(csrf) = &self.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("{method} {url}"))?;
        checked(response, method.as_str(), &url).await
    }

    fn absolute(&self, address: &str) -> String {
        if address.starts_with('/') { format!("{}{address}", self.url) } else { address.to_owned() }
    }
}

/// The response, or the server's problem document as an error.
async fn checked(response: Response, method: &str, url: &str) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    match serde_json::from_str::<Problem>(&text) {
        Ok(p) => bail!("{method} {url}: {status} {} ({})", p.code, p.detail),
        Err(_) => bail!("{method} {url}: {status} {}", text.chars().take(200).collect::<String>()),
    }
}

/// Whether an account holds a role anywhere.
#[must_use]
pub fn has_role(account: &Account, role: lectern_protocol::api::Role) -> bool {
    account.roles.iter().any(|r| r.role == role)
}
