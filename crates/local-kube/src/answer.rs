//! From a request to its answer: who asks, whether they may, what is done, in what form it is told.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::core::Status;
use serde_json::{Value, json};

use crate::{
    ApiPath, LocalKube, UserInfo, discovery,
    kinds::{Form, Kind, events},
    openapi, protobuf, query,
    query::Query,
    rbac::{self, Action},
    representation::Representation,
    status::{self, Result},
    verbs::{self, Answer, Request},
    watch,
};

/// What an answer is made of: JSON at once, or a stream of lines.
pub type ResponseBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// An API server takes no larger objects.
const MAX_BODY: usize = 3 << 20;

pub(crate) async fn answer(
    kube: &LocalKube,
    user: UserInfo,
    request: http::Request<Bytes>,
) -> Response<ResponseBody> {
    let (parts, body) = request.into_parts();
    let path = query::decoded(parts.uri.path()).into_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let mut asked = Asked { method: parts.method, path, query, headers: parts.headers, body };
    let mut warnings = Vec::new();
    let response = match asked.answer(kube, user, &mut warnings).await {
        Ok(response) => response,
        Err(status) => {
            let code =
                StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            json_response(code, status_json(&status).into())
        }
    };
    warned(response, &warnings)
}

struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    async fn answer(
        &mut self,
        kube: &LocalKube,
        user: UserInfo,
        warnings: &mut Vec<String>,
    ) -> Result<Response<ResponseBody>> {
        if self.body.len() > MAX_BODY {
            let why = format!("limit is {MAX_BODY} bytes, the request has {}", self.body.len());
            return Err(status::too_large(why));
        }
        if self.header(&header::CONTENT_TYPE) == protobuf::MEDIA_TYPE && !self.body.is_empty() {
            self.body = protobuf::read(&self.body)?.into();
        }
        let grants = kube.grants();
        let user = rbac::acting_as(&grants, authenticated(user), &self.headers)?;
        let Some(path) = ApiPath::parse(&self.path) else {
            let verb = self.method.as_str().to_lowercase();
            grants.check(&user, &Action::Path { verb: &verb, path: &self.path })?;
            return Ok(self.about_the_server(kube));
        };
        let query = Query::parse(&self.query, &self.method)?;
        let representation = match path.subresource {
            // Logs are text, whatever else the client would take.
            Some("log") => Representation::Full,
            _ => Representation::accepted(self.header(&header::ACCEPT))?.with(query.include),
        };
        grants.check(&user, &action(&path, &self.method, &query))?;
        let kinds = kube.kinds();
        let kind = kinds.get(path.group, path.version, path.plural);
        let kind = match kind.filter(|kind| kind.namespaced || path.namespace.is_none()) {
            Some(kind) => kind,
            None if kinds.of(path.group, path.version).next().is_some() => {
                return Err(status::no_such_resource());
            }
            None => return Ok(no_such_path()),
        };
        let mut request = Request {
            user,
            kind: kind.clone(),
            namespace: path.namespace.map(str::to_owned),
            name: path.name.map(str::to_owned),
            subresource: path.subresource.map(str::to_owned),
            query,
            agent: self.agent(),
            patching: None,
            warnings: Vec::new(),
        };
        self.body = self.as_json()?;
        if kind.group == events::NEWER && !self.body.is_empty() && self.method != Method::DELETE {
            self.body = events::stored_body(&self.method, &self.body)?;
            request.kind = kinds.get("", "v1", "events").cloned().unwrap_or(request.kind);
        }
        let response = self.carry_out(kube, &mut request, kind, representation).await;
        warnings.append(&mut request.warnings);
        response
    }

    async fn carry_out(
        &self,
        kube: &LocalKube,
        request: &mut Request,
        shown: &Kind,
        representation: Representation,
    ) -> Result<Response<ResponseBody>> {
        let status = match request.subresource.as_deref() {
            None => false,
            Some("status") if request.kind.has_status => true,
            Some(name) if request.kind.subresources.contains(&name) => {
                return self.about_a_part(kube, request, representation).await;
            }
            Some(_) => return Err(no_such_subresource(request)),
        };
        let unscoped = request.kind.namespaced && request.namespace.is_none();
        let answer = match (self.method.as_str(), &request.name) {
            ("POST", None) if !request.kind.stored => verbs::review(kube, request, &self.body)?,
            _ if !request.kind.stored => return Err(status::method_not_allowed()),
            ("GET", None) if request.query.watch => {
                let request = std::mem::replace(request, request.without_query());
                let events = watch::watch(kube, request, representation)?;
                return Ok(stream_response("application/json", events.map(Ok)));
            }
            ("GET", None) => verbs::list(kube, request)?,
            _ if unscoped => return Err(status::method_not_allowed()),
            ("GET", Some(_)) => verbs::get(kube, request)?,
            ("POST", None) => verbs::create(kube, request, &self.body).await?,
            ("PUT", Some(_)) => verbs::update(kube, request, &self.body).await?,
            ("PATCH", Some(_)) => {
                let content_type = self.header(&header::CONTENT_TYPE).to_owned();
                verbs::apply_patch(kube, request, &content_type, &self.body).await?
            }
            ("DELETE", Some(_)) if !status => verbs::delete(kube, request, &self.body).await?,
            ("PUT" | "PATCH", None) if matches!(request.kind.form, Form::Custom(_)) => {
                return Err(status::bad_request("name must be provided"));
            }
            ("DELETE", None) if request.kind.resource != "namespaces" => {
                verbs::delete_collection(kube, request, &self.body).await?
            }
            _ => return Err(status::method_not_allowed()),
        };
        Ok(render(request, shown, representation, answer))
    }

    /// Subresources other than the status.
    async fn about_a_part(
        &self,
        kube: &LocalKube,
        request: &mut Request,
        representation: Representation,
    ) -> Result<Response<ResponseBody>> {
        let answer = match (self.method.as_str(), request.subresource.as_deref()) {
            ("GET", Some("log")) => {
                return Ok(match verbs::log(kube, request, &self.query).await? {
                    Some(log) => stream_response("text/plain", log),
                    None => text_response(StatusCode::NO_CONTENT, ""),
                });
            }
            ("POST", Some("token")) => verbs::token(kube, request, &self.body)?,
            ("POST", Some("binding")) => verbs::bind(kube, request, &self.body)?,
            ("POST", Some("eviction")) => verbs::evict(kube, request, &self.body).await?,
            _ => return Err(status::method_not_allowed()),
        };
        Ok(render(request, &request.kind, representation, answer))
    }

    fn about_the_server(&self, kube: &LocalKube) -> Response<ResponseBody> {
        if self.method != Method::GET {
            return json_response(
                StatusCode::METHOD_NOT_ALLOWED,
                status_json(&status::method_not_allowed()).into(),
            );
        }
        let kinds = kube.kinds();
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        let accepted = Representation::accepted(self.header(&header::ACCEPT));
        let aggregated = accepted.is_ok_and(|it| it == Representation::Discovery);
        let value = match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => return text_response(StatusCode::OK, "ok"),
            ["version"] => Some(version()),
            ["api"] if aggregated => {
                return aggregated_response(&discovery::aggregated(&kinds, true));
            }
            ["apis"] if aggregated => {
                return aggregated_response(&discovery::aggregated(&kinds, false));
            }
            ["openapi", "v2"] => {
                let (form, document) = openapi::V2;
                return response(StatusCode::OK, form, full(Bytes::from_static(document)));
            }
            ["openapi", "v3"] => Some(openapi::index(&kinds)),
            ["openapi", "v3", "api", version] => openapi::document(&kinds, "", version),
            ["openapi", "v3", "apis", group, version] => openapi::document(&kinds, group, version),
            ["api"] => Some(discovery::core_versions()),
            ["apis"] => Some(discovery::groups(&kinds)),
            ["api", version] => discovery::resources(&kinds, "", version),
            ["apis", group] => discovery::group(&kinds, group),
            ["apis", group, version] => discovery::resources(&kinds, group, version),
            _ => None,
        };
        value.map_or_else(no_such_path, |value| {
            json_response(StatusCode::OK, value.to_string().into())
        })
    }

    /// The body of a creation or replacement as JSON, which is also what does not say what it is.
    fn as_json(&self) -> Result<Bytes> {
        const FORMS: &str =
            "application/json, application/yaml, application/vnd.kubernetes.protobuf";
        if ![Method::POST, Method::PUT].contains(&self.method) {
            return Ok(self.body.clone());
        }
        let media = self.header(&header::CONTENT_TYPE).split(';').next().unwrap_or_default();
        match media.trim() {
            "" | "application/json" | protobuf::MEDIA_TYPE => Ok(self.body.clone()),
            "application/yaml" => {
                let text = String::from_utf8_lossy(&self.body);
                let value: Value = serde_saphyr::from_str(&text)
                    .map_err(|error| status::bad_request(format!("yaml: {error}")))?;
                Ok(value.to_string().into())
            }
            _ => Err(status::unsupported_media_type(FORMS)),
        }
    }

    /// The program's name, without its version.
    fn agent(&self) -> String {
        match self.header(&header::USER_AGENT).split('/').next() {
            None | Some("") => "unknown".to_owned(),
            Some(name) => name.to_owned(),
        }
    }

    fn header(&self, name: &header::HeaderName) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}

/// Whoever is known is in the group of those who are.
fn authenticated(mut user: UserInfo) -> UserInfo {
    const ALL: &str = "system:authenticated";
    if !user.groups.iter().any(|it| it == ALL) {
        user.groups.push(ALL.to_owned());
    }
    user
}

/// What RBAC is asked about a request.
fn action<'a>(path: &ApiPath<'a>, method: &Method, query: &'a Query) -> Action<'a> {
    let verb = match path.verb(method) {
        "list" if query.watch => "watch",
        verb => verb,
    };
    Action::Resource {
        verb,
        group: path.group,
        resource: path.plural,
        subresource: path.subresource.unwrap_or_default(),
        namespace: match (path.group, path.plural) {
            // A namespace is also its own place, so that roles in it may speak of it.
            ("", "namespaces") => path.name.unwrap_or_default(),
            _ => path.namespace.unwrap_or_default(),
        },
        name: path.name.or(query.fields.name()).unwrap_or_default(),
    }
}

/// The answer as the kind has it that was asked for.
fn render(
    request: &Request,
    kind: &Kind,
    representation: Representation,
    answer: Answer,
) -> Response<ResponseBody> {
    match answer {
        Answer::Object(code, object) => {
            let json = match representation.write(kind, &object) {
                std::borrow::Cow::Borrowed(_) => object.json.clone(),
                std::borrow::Cow::Owned(json) => json.into(),
            };
            json_response(code, json)
        }
        Answer::List { page, continued } => {
            let mut metadata = json!({"resourceVersion": page.version.to_string()});
            if matches!(kind.form, Form::Custom(_)) {
                metadata["continue"] = "".into();
            }
            if let Some(continued) = continued {
                metadata["continue"] = continued.into();
                if request.query.labels.is_empty() && request.query.fields.is_empty() {
                    metadata["remainingItemCount"] = page.remaining.into();
                }
            }
            let objects = page.items.iter().map(|it| &**it);
            json_response(StatusCode::OK, representation.write_list(kind, &metadata, objects))
        }
        Answer::Json(code, value) => json_response(code, value.to_string().into()),
    }
}

/// What the version of the API is that this cluster follows.
fn version() -> Value {
    let of_crate = env!("CARGO_PKG_VERSION");
    json!({"major": "1", "minor": "36", "gitVersion": format!("v1.36.0-local.{of_crate}"),
           "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
           "goVersion": "", "compiler": "rustc",
           "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)})
}

/// Custom resources and built-in ones are served by two servers, which answer differently.
fn no_such_subresource(request: &Request) -> Box<Status> {
    match (&request.kind.form, &request.name) {
        (Form::Custom(_), Some(name)) => status::not_found(request.kind.by_resource(), name),
        _ => status::no_such_resource(),
    }
}

/// A path that nothing is served at is answered in plain text, as a real server does.
fn no_such_path() -> Response<ResponseBody> {
    text_response(StatusCode::NOT_FOUND, "404 page not found\n")
}

pub(crate) fn status_json(status: &Status) -> Vec<u8> {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    value["kind"] = "Status".into();
    value["apiVersion"] = "v1".into();
    if value["metadata"].is_null() {
        value["metadata"] = json!({});
    }
    value.to_string().into_bytes()
}

fn aggregated_response(discovery: &Value) -> Response<ResponseBody> {
    let mut response = json_response(StatusCode::OK, discovery.to_string().into());
    let form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form));
    response
}

fn json_response(code: StatusCode, json: Bytes) -> Response<ResponseBody> {
    response(code, "application/json", full(json))
}

fn text_response(code: StatusCode, text: &'static str) -> Response<ResponseBody> {
    response(code, "text/plain; charset=utf-8", full(Bytes::from_static(text.as_bytes())))
}

pub(crate) fn stream_response(
    content_type: &'static str,
    chunks: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Response<ResponseBody> {
    let frames = chunks.map(|chunk| chunk.map(http_body::Frame::data));
    response(StatusCode::OK, content_type, StreamBody::new(frames).boxed_unsync())
}

fn full(bytes: Bytes) -> ResponseBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn response(
    code: StatusCode,
    content_type: &'static str,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Adds the `Warning` headers that kubectl shows.
fn warned(mut response: Response<ResponseBody>, warnings: &[String]) -> Response<ResponseBody> {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}
