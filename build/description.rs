//! wamp.json: what wamp.h declares, for bindings that cannot parse C. Read from the header itself,
//! so that the two agree; the statuses of functions and which texts may be NULL come from src/ffi.

use std::error::Error;

use serde_json::{Map, Value, json};

use crate::env;
use crate::statuses::{Function, Sets};

/// The text of wamp.json.
pub fn text(header: &str, functions: &[Function], sets: &Sets) -> Result<String, Box<dyn Error>> {
    let mut made = Description {
        functions,
        sets,
        section: String::new(),
        constants: Vec::new(),
        uris: Vec::new(),
        handles: Vec::new(),
        structs: Vec::new(),
        callbacks: Vec::new(),
        declared: Vec::new(),
    };
    let mut lines = header.lines().peekable();
    let mut doc = String::new();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("/* ---- ") {
            title.trim_end_matches([' ', '-', '*', '/']).clone_into(&mut made.section);
        } else if line == "/**" {
            let comment = lines.by_ref().take_while(|line| *line != " */");
            doc = comment.map(|line| line[2..].trim()).collect::<Vec<_>>().join("\n");
        } else if let Some(comment) = line.strip_prefix("/** ") {
            comment.trim_end_matches(" */").clone_into(&mut doc);
        } else if let Some(definition) = line.strip_prefix("#define ") {
            made.constant(definition, std::mem::take(&mut doc));
        } else if line.starts_with("typedef ") || line.starts_with("WAMP_API ") {
            let mut declaration = line.to_owned();
            let is_struct = line.ends_with('{');
            while !declaration.ends_with(';') || (is_struct && !declaration.contains("\n}")) {
                declaration.push('\n');
                declaration += lines.next().ok_or("a declaration without an end")?;
            }
            made.declaration(&declaration, std::mem::take(&mut doc))?;
        }
    }
    made.finish()
}

/// Texts that are JSON objects or values.
const JSON: &[&str] = &["changes", "config", "extra", "json", "options"];

struct Description<'s> {
    functions: &'s [Function],
    sets: &'s Sets,
    section: String,
    constants: Vec<Value>,
    uris: Vec<Value>,
    handles: Vec<Value>,
    structs: Vec<Value>,
    callbacks: Vec<Value>,
    declared: Vec<Value>,
}

impl Description<'_> {
    fn constant(&mut self, definition: &str, doc: String) {
        let Some((name, value)) = definition.split_once(' ') else {
            return;
        };
        if let Ok(value) = value.parse::<i64>() {
            if !name.starts_with("WAMP_VERSION") {
                let section = &self.section;
                self.constants
                    .push(json!({"name": name, "value": value, "section": section, "doc": doc}));
            }
        } else if name.starts_with("WAMP_URI_") {
            self.uris.push(json!({"name": name, "value": value.trim_matches('"'), "doc": doc}));
        }
    }

    fn declaration(&mut self, text: &str, doc: String) -> Result<(), Box<dyn Error>> {
        if let Some(function) = text.strip_prefix("WAMP_API ") {
            return self.function(function, doc);
        }
        let text = text.strip_prefix("typedef ").ok_or("no typedef")?;
        if text.contains('{') {
            return self.structure(text, doc);
        }
        if let Some((result, rest)) = text.split_once(" (*") {
            let (name, parameters) =
                rest.split_once(")(").ok_or("a callback without parameters")?;
            let parameters = self.parameters(parameters.trim_end_matches(");"), None)?;
            let returns = json!({"type": result});
            let callback =
                json!({"name": name, "returns": returns, "parameters": parameters, "doc": doc});
            self.callbacks.push(callback);
            return Ok(());
        }
        let name = text.trim_end_matches(';').rsplit(' ').next().unwrap_or_default();
        self.handles.push(json!({"name": name, "doc": doc}));
        Ok(())
    }

    fn function(&mut self, text: &str, doc: String) -> Result<(), Box<dyn Error>> {
        let (head, parameters) = text.split_once('(').ok_or("a function without parameters")?;
        let (result, name) = split_name(head);
        let known = self.functions.iter().find(|function| function.name == name);
        let known = known.ok_or_else(|| format!("{name} does not stand in src/ffi"))?;
        let parameters = self.parameters(parameters.trim_end_matches(");"), Some(known))?;
        let mut function = json!({
            "name": name,
            "section": self.section,
            "returns": {"type": result, "role": self.result_role(&result, known)},
            "parameters": parameters,
            "doc": doc,
        });
        if function["returns"]["role"].as_str().is_some_and(|role| role.ends_with("status")) {
            function["statuses"] = json!(self.sets[&name]);
        }
        self.declared.push(function);
        Ok(())
    }

    /// A struct with its fields, each behind the one before at the next multiple of its alignment.
    fn structure(&mut self, text: &str, doc: String) -> Result<(), Box<dyn Error>> {
        let (_, body) = text.split_once('{').ok_or("a struct without fields")?;
        let (body, name) = body.rsplit_once('}').ok_or("a struct without an end")?;
        let (mut fields, mut offset, mut doc_of_field) = (Vec::new(), 0, String::new());
        let mut comment: Option<Vec<&str>> = None;
        for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match (&mut comment, line) {
                (None, "/**") => comment = Some(Vec::new()),
                (Some(lines), "*/") => {
                    doc_of_field = lines.join("\n");
                    comment = None;
                }
                (Some(lines), line) => lines.push(line.trim_start_matches(['*', ' '])),
                (None, declaration) => {
                    let (kind, name) = split_name(declaration.trim_end_matches(';'));
                    let (size, alignment) = self.size(&kind)?;
                    offset = u64::next_multiple_of(offset, alignment);
                    let doc = std::mem::take(&mut doc_of_field);
                    fields.push(json!({
                        "name": name, "type": kind, "offset": offset, "size": size, "doc": doc,
                    }));
                    offset += size;
                }
            }
        }
        let name = name.trim_matches([' ', ';', '\n']);
        let size = offset.next_multiple_of(8);
        self.structs.push(json!({"name": name, "size": size, "fields": fields, "doc": doc}));
        Ok(())
    }

    /// Size and alignment where pointers have 64 bits.
    fn size(&self, kind: &str) -> Result<(u64, u64), Box<dyn Error>> {
        if kind.ends_with('*') {
            return Ok((8, 8));
        }
        let known =
            self.structs.iter().find(|known| kind.ends_with(known["name"].as_str().unwrap_or("?")));
        if let Some(size) = known.and_then(|known| known["size"].as_u64()) {
            return Ok((size, 8));
        }
        match kind {
            "uint32_t" | "int32_t" | "int" => Ok((4, 4)),
            "uint64_t" | "int64_t" | "size_t" | "double" => Ok((8, 8)),
            other => Err(format!("the size of {other}").into()),
        }
    }

    fn parameters(
        &self,
        list: &str,
        function: Option<&Function>,
    ) -> Result<Vec<Value>, Box<dyn Error>> {
        let all: Vec<(String, String)> = list
            .split(',')
            .map(|parameter| parameter.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|parameter| parameter != "void")
            .map(|parameter| split_name(&parameter))
            .collect();
        let mut described = Vec::new();
        for (index, (kind, name)) in all.iter().enumerate() {
            let next = all.get(index + 1).map_or("", |(kind, _)| kind);
            let before = index.checked_sub(1).map(|index| &all[index]);
            let (role, of) = self.role(kind, name, next, before)?;
            let mut parameter = Map::new();
            parameter.insert("name".into(), json!(name));
            parameter.insert("type".into(), json!(kind));
            parameter.insert("role".into(), json!(role));
            if let Some(of) = of {
                parameter.insert("of".into(), json!(of));
            }
            if function.is_some_and(|function| may_be_null(function, role, name)) {
                parameter.insert("null".into(), json!(true));
            }
            described.push(Value::Object(parameter));
        }
        Ok(described)
    }

    /// The purpose of a parameter, and of which other parameter it is the size.
    fn role(
        &self,
        kind: &str,
        name: &str,
        next: &str,
        before: Option<&(String, String)>,
    ) -> Result<(&'static str, Option<String>), Box<dyn Error>> {
        let plain = kind.trim_start_matches("const ").trim_start_matches("struct ");
        let is_handle = |base: &str| self.handles.iter().any(|handle| handle["name"] == base);
        let sized = next == "size_t";
        let role = match plain.trim_end_matches(['*', ' ']) {
            "wamp_payload_t" if kind.starts_with("const") => "payload",
            "wamp_event_t" if kind.starts_with("const") => "event",
            "wamp_event_t" => "events",
            "wamp_value_t" => "lens",
            base if is_handle(base) && kind.ends_with("**") => "out_handle",
            base if is_handle(base) => "handle",
            "wamp_free_t" => "free",
            base if base.starts_with("wamp_") && base.ends_with("_t") && !kind.ends_with('*') => {
                "callback"
            }
            "void" if name.ends_with("user_data") => "user_data",
            "char" if kind == "const char *" && sized => "text",
            "char" if kind == "const char *" && JSON.contains(&name) => "json",
            "char" if kind == "const char *" => "text",
            "void" | "uint8_t" if kind.starts_with("const") => "bytes",
            "char" | "uint8_t" if kind.ends_with(" *") && sized => "buffer",
            _ if kind.ends_with('*') => "out",
            "size_t" => match before {
                Some((kind, of)) if kind.ends_with('*') && name.contains("size") => {
                    return Ok(("size", Some(of.clone())));
                }
                _ => "value",
            },
            "int" if name == "timeout_ms" => "timeout_ms",
            "int64_t" | "int" | "uint32_t" | "uint64_t" | "double" => "value",
            other => return Err(format!("{name}: the role of {other}").into()),
        };
        Ok((role, None))
    }

    fn result_role(&self, kind: &str, function: &Function) -> &'static str {
        match kind {
            "void" => "nothing",
            _ if function.tells && self.sets[&function.name].is_empty() => "value",
            "int" if function.tells => "status",
            "int64_t" if function.tells => "id_or_status",
            _ if !kind.ends_with('*') => "value",
            "const char *" => "text",
            _ if kind.contains("wamp_value_t") => "lens",
            _ if kind.contains("wamp_event_t") => "event",
            _ if kind.contains("wamp_payload_t") => "payload",
            "const uint8_t *" | "const void *" => "bytes",
            _ => "handle",
        }
    }

    fn finish(self) -> Result<String, Box<dyn Error>> {
        let version = env("CARGO_PKG_VERSION");
        let abi = version.split('.').take(2).collect::<Vec<_>>().join(".");
        let whole = json!({
            "about": "What wamp.h declares. Offsets and sizes are those of systems with 64-bit pointers; \
                      statuses leave out WAMP_ERR_FORKED and WAMP_ERR_INTERNAL, which may come from all \
                      functions. A parameter with \"null\": true may be NULL; a size that stands for a \
                      text which ends with a NUL is SIZE_MAX.",
            "version": version,
            "libraries": {
                "linux": format!("libwamp.so.{abi}"),
                "darwin": format!("libwamp.{abi}.dylib"),
                "windows": "wamp.dll",
            },
            "constants": self.constants,
            "uris": self.uris,
            "handles": self.handles,
            "structs": self.structs,
            "callbacks": self.callbacks,
            "functions": self.declared,
        });
        Ok(serde_json::to_string_pretty(&whole)? + "\n")
    }
}

/// NULL is an answer that the function takes, as src/ffi shows.
fn may_be_null(function: &Function, role: &str, name: &str) -> bool {
    match role {
        "payload" | "free" | "user_data" | "callback" => true,
        "json" if name == "options" => true,
        _ => {
            let says = |start: String| {
                let rest = function.docs.split_once(&start).map_or("", |(_, rest)| rest);
                rest.split(')').next().is_some_and(|aside| aside.contains("NULL"))
            };
            function.body.contains(&format!("{name}.optional()"))
                || says(format!("`{name}` ("))
                || says(format!("`*{name}` ("))
        }
    }
}

/// "const char *name" into its type and its name.
fn split_name(declaration: &str) -> (String, String) {
    let at = declaration.rfind([' ', '*']).map_or(0, |at| at + 1);
    (declaration[..at].trim().to_owned(), declaration[at..].to_owned())
}
