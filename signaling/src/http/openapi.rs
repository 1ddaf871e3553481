//! The OpenAPI description, made from the table of routes: it can't know a route that the router does not.

use super::routes;
use crate::route::{Right, Route, Verb};
use lectern_protocol::api::Problem;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, Content, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, RefOr,
        Required, ResponseBuilder, Schema, SecurityRequirement,
        path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItem},
        request_body::RequestBodyBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// The description of everything in the tables.
#[must_use]
pub fn description() -> OpenApi {
    let mut schemas: Vec<(String, RefOr<Schema>)> = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    let mut paths = PathsBuilder::new();
    for route in routes() {
        // OpenAPI knows no parameters with slashes in them.
        let path = route.path.replace("{*", "{");
        paths = paths.path(path, PathItem::new(method(route.verb), operation(route, &mut schemas)));
    }
    schemas.sort_by(|a, b| a.0.cmp(&b.0));
    schemas.dedup_by(|a, b| a.0 == b.0);
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(crate::extract::COOKIE_TLS)));
    let grant = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme("session", session)
        .security_scheme("grant", grant)
        .build();
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Lectern").version(env!("CARGO_PKG_VERSION")).build())
        .paths(paths)
        .components(Some(components))
        .build()
}

fn operation(route: &Route, schemas: &mut Vec<(String, RefOr<Schema>)>) -> OperationBuilder {
    let mut operation = OperationBuilder::new().summary(Some(route.summary)).tag(tag(route.path));
    for name in parameters(route.path) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        operation = operation.parameter(parameter.schema(Some(String::schema())));
    }
    if let Some(takes) = route.takes {
        let body = RequestBodyBuilder::new().content("application/json", Content::new(Some(takes(schemas))));
        operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
    }
    let mut good = ResponseBuilder::new().description("done");
    if let Some(gives) = route.gives {
        good = good.content("application/json", Content::new(Some(gives(schemas))));
    }
    let problem = ResponseBuilder::new()
        .description("refused; `code` says why")
        .content("application/problem+json", Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem")))));
    operation = operation.response("2XX", good.build()).response("default", problem.build());
    match route.right {
        Right::Public | Right::Hello => operation,
        Right::SignedIn | Right::May(_) => {
            operation.security(SecurityRequirement::new("session", std::iter::empty::<String>()))
        }
        Right::Grant(_) => operation.security(SecurityRequirement::new("grant", std::iter::empty::<String>())),
    }
}

fn method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
        Verb::Options => HttpMethod::Options,
    }
}

/// The word that groups a route: what stands after the version, or first.
fn tag(path: &str) -> &str {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    path.split('/').find(|part| !part.is_empty()).unwrap_or("server")
}

fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| name.trim_start_matches('*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_description_knows_every_route_and_every_schema() {
        let json = serde_json::to_value(description()).unwrap();
        for route in routes() {
            let method = format!("{:?}", route.verb).to_lowercase();
            let path = route.path.replace("{*", "{");
            assert!(json["paths"][&path][&method]["summary"].is_string(), "{method} {path}");
        }
        let text = json.to_string();
        let known: HashSet<_> = json["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(known.contains(name), "{name} is referred to but not described");
        }
    }
}
