//! The MCP server: tool sets behind the gate, for one caller, in both eras of the protocol.

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use futures::FutureExt as _;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult,
        DiscoverResult, ErrorCode, Implementation, InitializeRequestParams, InitializeResult,
        JsonObject, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam,
        ProgressToken, ProtocolVersion, ServerCapabilities, ServerConfig, SubscriptionFilter,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Answer, Caller, Error, Progress, Refusal, Result, Step, ToolDef, ToolSet, answer, audit,
    catalog::Catalog, did_you_mean, gate,
};

/// How long a client may take a list of tools for granted, if it listens for no changes.
const LIST_TTL_MS: u64 = 60_000;

/// How long answers that are nearly ready may take after the client has hung up.
const GRACE: Duration = Duration::from_secs(1);

/// Serves tool sets to one caller. A clone is the same server.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
    name: &'static str,
}

struct Inner {
    catalog: Arc<Catalog>,
    /// Calls that change the cluster: they are carried through, whoever hangs up.
    changing: TaskTracker,
    /// Fires when the server is to end.
    closing: CancellationToken,
}

impl Server {
    pub fn new(caller: Caller, sets: &[&'static ToolSet]) -> Self {
        let inner = Inner {
            catalog: Catalog::new(caller.before(sets)),
            changing: TaskTracker::new(),
            closing: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner), name: "kubeflow-mcp" }
    }

    /// The server as a binary of its own calls itself.
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Every tool, in the order of names, with the reason why it is not offered if it is not.
    pub async fn tools(&self) -> Vec<(ToolDef, Option<Refusal>)> {
        self.inner.catalog.tools().await
    }

    /// Calls a tool by its name, as an agent would.
    pub async fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        progress: Progress,
    ) -> Result<Answer> {
        let tool = self.caller().tools().iter().find(|tool| tool.name == name);
        let tool = tool.ok_or_else(|| {
            let known = self.caller().tools().iter().map(|tool| tool.name);
            Error::UnknownTool { name: name.to_owned(), guess: did_you_mean(name, known) }
        })?;
        self.carry_out(*tool, arguments, progress).await
    }

    /// Everything that belongs to a call, from the gate to the audit.
    pub(crate) async fn carry_out(
        &self,
        tool: ToolDef,
        arguments: JsonObject,
        progress: Progress,
    ) -> Result<Answer> {
        let changes = tool.changes(&arguments);
        let caller = self.caller().clone();
        let call = async move {
            let mut facts = caller.recent_facts().await;
            let entry = audit::Entry::new(facts.user.as_deref(), tool, &arguments);
            let refused = gate::admit(&tool, caller.policy(), &facts).is_err();
            if refused && facts.unreachable.is_none() {
                // What was missing may have been installed or granted since.
                facts = caller.present_facts().await;
            }
            let outcome = match gate::admit(&tool, caller.policy(), &facts) {
                Ok(()) => {
                    let call = tool.call(arguments, &caller, progress);
                    // A panic would leave the request without an answer for ever.
                    let call = AssertUnwindSafe(call).catch_unwind().await;
                    call.unwrap_or_else(|_| Err(Error::Panicked))
                }
                Err(refusal) => Err(refusal.into()),
            };
            if outcome.as_ref().is_err_and(Error::is_silence) {
                caller.doubt();
            }
            entry.close(&outcome);
            outcome
        };
        if changes {
            // In a task of its own: nobody who hangs up leaves it half done.
            self.inner.changing.spawn(call).await.unwrap_or(Err(Error::Panicked))
        } else {
            call.await
        }
    }

    fn caller(&self) -> &Caller {
        self.inner.catalog.caller()
    }

    /// Fires when the server is to end.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.inner.closing
    }

    /// Waits until the client has hung up and every answer has had its time.
    pub(crate) async fn closed(&self) {
        self.inner.closing.cancelled().await;
        self.finished().await;
        tokio::time::sleep(GRACE + GRACE / 2).await;
    }

    /// Waits until nobody is expected to read the answer to a question.
    async fn hung_up(&self) {
        self.inner.closing.cancelled().await;
        tokio::time::sleep(GRACE).await;
    }

    /// Waits until everything that changes the cluster is done.
    pub(crate) async fn finished(&self) {
        self.inner.changing.close();
        self.inner.changing.wait().await;
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        let guides =
            self.caller().sets().iter().map(|set| set.guide.trim()).filter(|it| !it.is_empty());
        ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new(self.name, env!("CARGO_PKG_VERSION")).with_title("Kubeflow"),
            )
            .with_instructions(guides.collect::<Vec<_>>().join("\n\n"))
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.caller().learn();
        cx.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.caller().learn();
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, self.get_info()).with_ttl_ms(LIST_TTL_MS))
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if page.is_some_and(|page| page.cursor.is_some()) {
            let problem = "the cursor is not from this server: its list of tools is one page";
            return Err(ErrorData::invalid_params(problem, None));
        }
        let tools = self.tools().await.into_iter().filter(|(_, refusal)| refusal.is_none());
        let list =
            ListToolsResult::with_all_items(tools.map(|(tool, _)| tool.describe()).collect());
        let modern = cx
            .protocol_version()
            .is_some_and(|it| it.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
        Ok(if modern {
            list.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private)
        } else {
            list
        })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let token = cx.meta.get_progress_token();
        let (progress, mut steps) = Progress::channel();
        let progress = if token.is_some() { progress } else { Progress::default() };
        let arguments = request.arguments.unwrap_or_default();
        let tool = self.caller().tools().iter().find(|tool| tool.name == request.name);
        let changes = tool.is_some_and(|tool| tool.changes(&arguments));
        let mut call = pin!(self.call(&request.name, arguments, progress));
        let told = async {
            loop {
                tokio::select! {
                    biased;
                    Some(step) = steps.recv() => tell(&cx, token.as_ref(), step).await,
                    outcome = &mut call => break outcome,
                }
            }
        };
        let outcome = tokio::select! {
            outcome = told => outcome,
            () = cx.ct.cancelled() => Err(Error::Cancelled),
            // What changes the cluster is waited for, and told to whoever may still listen.
            () = self.hung_up(), if !changes => Err(Error::Cancelled),
        };
        match outcome {
            Ok(answer) => Ok(answer.into_result().into()),
            // The one failure that is the protocol's: the request names nothing that there is.
            Err(error @ Error::UnknownTool { .. }) => {
                Err(ErrorData::invalid_params(error.to_string(), None))
            }
            Err(error) => Ok(answer::failed(&error).into()),
        }
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // What the library cannot read as the method's own request ends up here.
        Err(if matches!(request.method.as_str(), "tools/call" | "tools/list") {
            ErrorData::invalid_params(format!("the params of {} do not fit", request.method), None)
        } else {
            ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None)
        })
    }

    fn accepted_subscription_filter(
        &self,
        asked: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(asked.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, cx: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.inner.catalog.listen();
        loop {
            tokio::select! {
                () = cx.cancelled() => return Ok(()),
                () = self.inner.closing.cancelled() => return Ok(()),
                changed = changes.changed() => {
                    let told = cx.sink().notify_tool_list_changed().await;
                    if changed.is_err() || told.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn on_initialized(&self, cx: NotificationContext<RoleServer>) {
        self.inner.catalog.add(cx.peer);
    }
}

/// Tells the client one step of a call.
async fn tell(cx: &RequestContext<RoleServer>, token: Option<&ProgressToken>, step: Step) {
    let Some(token) = token.cloned() else { return };
    let mut told = ProgressNotificationParam::new(token, step.done).with_message(step.message);
    told.total = step.total;
    // A client that is gone is noticed by the cancellation.
    let _ = cx.peer.notify_progress(told).await;
}
