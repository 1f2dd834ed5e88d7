//! Text → tree, the only place that knows the YAML parser: serde-saphyr's event stream, which unlike
//! a typed reading keeps the place, spelling and tag of every value (a semantic error can be
//! underlined, `0755` stays `0755`, `!reset` is seen) and does not stop at the first wrong type.

use std::collections::HashMap;
use std::path::Path;

use serde_saphyr::granit_parser::{
    ErrorKind, Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag,
};

use super::diagnostic::Problem;
use super::node::{Entry, Kind, Map, Node, Overlay, Scalar};
use super::source::{Origin, Texts};

/// Values in a file once its aliases are written out: far above any honest spec, and reached at
/// once by an alias bomb.
const MAX_NODES: usize = 20_000;
/// Bytes of a file.
const MAX_BYTES: usize = 1 << 20;
/// Collections inside one another.
const MAX_DEPTH: usize = 48;

/// Reads the one document of a file. `None` where the text is not YAML; problems may come with a
/// tree, too.
pub(crate) fn parse(file: usize, texts: &Texts, problems: &mut Vec<Problem>) -> Option<Node> {
    let text = texts.text(file);
    if text.len() > MAX_BYTES {
        let at = Origin { file, start: 0, end: 0 };
        let message = format!("the file has {} bytes, more than the {MAX_BYTES} that are read", text.len());
        problems.push(Problem::new(at, message).help("move what is large into a file of its own (`files:`)"));
        return None;
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader {
        file,
        path: texts.path(file),
        text,
        parser,
        anchors: HashMap::new(),
        nodes: 0,
        problems: Vec::new(),
    };
    let node = match reader.document() {
        Ok(node) => Some(node),
        Err(problem) => {
            reader.problems.push(*problem);
            None
        }
    };
    problems.append(&mut reader.problems);
    node
}

struct Reader<'t> {
    file: usize,
    path: &'t Path,
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    /// Finished anchored values with how many nodes each holds.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    problems: Vec<Problem>,
}

/// Boxed: it is large, and travels up through every level.
type Stop = Box<Problem>;

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Node, Stop> {
        let mut document: Option<Node> = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if document.is_some() => {
                    let problem = Problem::new(self.origin(span), "a second YAML document begins here");
                    return Err(Box::new(problem.help("a deploy.yaml is one document: remove the `---`")));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.next()?;
                    document = Some(self.node(event, span)?);
                }
                _ => return Err(Box::new(Problem::new(self.origin(span), "unexpected YAML"))),
            }
        }
        let nothing = || Node::new(self.place(0, 0), Kind::Scalar(Scalar::default()));
        Ok(document.unwrap_or_else(nothing))
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Box::new(self.syntax(&error))),
            None => Err(Box::new(Problem::new(self.place(0, 0), "the file ends unexpectedly"))),
        }
    }

    fn place(&self, start: usize, end: usize) -> Origin {
        Origin { file: self.file, start, end }
    }

    fn origin(&self, span: Span) -> Origin {
        let range = span.byte_range().unwrap_or_default();
        self.place(range.start.min(self.text.len()), range.end.min(self.text.len()))
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Stop> {
        self.count(1, span)?;
        let before = self.nodes;
        let at = self.origin(span);
        let (mut node, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), quoted, ..Scalar::default() };
                (Node::new(at, Kind::Scalar(scalar)), anchor, tag)
            }
            Event::SequenceStart(style, anchor, tag) => {
                let (items, end) = self.sequence()?;
                (Node::new(self.collection(at, end, style), Kind::Seq(items)), anchor, tag)
            }
            Event::MappingStart(style, anchor, tag) => {
                let (map, end) = self.mapping()?;
                (Node::new(self.collection(at, end, style), Kind::Map(map)), anchor, tag)
            }
            Event::Alias(id) => return self.alias(id, span),
            _ => return Err(Box::new(Problem::new(at, "a value is expected here"))),
        };
        if let Some(tag) = tag {
            self.tag(&tag, &mut node, span);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before + 1));
        }
        Ok(node)
    }

    /// A flow collection is underlined from bracket to bracket, a block one at its first line.
    fn collection(&self, start: Origin, end: Origin, style: StructureStyle) -> Origin {
        match style {
            StructureStyle::Flow => Origin { end: end.end, ..start },
            StructureStyle::Block => {
                let line = self.text[start.start..].lines().next().unwrap_or_default();
                Origin { end: start.start + line.trim_end().len(), ..start }
            }
        }
    }

    fn sequence(&mut self) -> Result<(Vec<Node>, Origin), Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((items, self.origin(span)));
            }
            items.push(self.node(event, span)?);
        }
    }

    fn mapping(&mut self) -> Result<(Map, Origin), Stop> {
        let mut map = Map::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                for (at, node) in merged {
                    self.merge_key(at, node, &mut map);
                }
                return Ok((map, self.origin(span)));
            }
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            let Kind::Scalar(scalar) = key.kind else {
                self.problems.push(Problem::new(key.at, "a key must be a single word"));
                continue;
            };
            if scalar.text == "<<" && !scalar.quoted {
                merged.push((key.at, value));
                continue;
            }
            if let Some(first) = map.get(&scalar.text).map(|entry| entry.key) {
                let problem = Problem::new(key.at, format!("the key `{}` appears twice", scalar.text));
                let problem = problem.label("and again here").and(first, "first here");
                self.problems.push(problem.help("remove one of them, or merge their values"));
                continue;
            }
            map.insert(scalar.text, Entry { key: key.at, node: value });
        }
    }

    /// `<<`: what the mapping says itself wins, then the first of a list.
    fn merge_key(&mut self, at: Origin, node: Node, map: &mut Map) {
        let sources = match node.kind {
            Kind::Map(source) => vec![source],
            Kind::Seq(items) => items
                .into_iter()
                .filter_map(|item| match item.kind {
                    Kind::Map(source) => Some(source),
                    Kind::Seq(_) | Kind::Scalar(_) => None,
                })
                .collect(),
            Kind::Scalar(_) => Vec::new(),
        };
        if sources.is_empty() {
            let problem = Problem::new(at, "`<<` takes a mapping, or a list of mappings");
            self.problems.push(problem.help("write `<<: *NAME` for a mapping marked with `&NAME`"));
        }
        for (key, entry) in sources.into_iter().flatten() {
            map.entry(key).or_insert(entry);
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Stop> {
        let Some((node, size)) = self.anchors.get(&id) else {
            let problem = Problem::new(self.origin(span), "an alias inside the value that it stands for");
            return Err(Box::new(problem));
        };
        let (node, size) = (node.clone(), *size);
        self.count(size, span)?;
        Ok(node)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values once the aliases are written out");
            let problem = Problem::new(self.origin(span), message).label("reached here");
            return Err(Box::new(
                problem.help("use fewer `*alias`es of values that hold aliases themselves"),
            ));
        }
        Ok(())
    }

    fn tag(&mut self, tag: &Tag, node: &mut Node, span: Span) {
        match (tag.handle(), tag.suffix()) {
            ("!", "reset") => node.overlay = Overlay::Reset,
            ("!", "override") => node.overlay = Overlay::Override,
            _ if tag.core_suffix() == Some("str") => {
                if let Kind::Scalar(scalar) = &mut node.kind {
                    scalar.quoted = true;
                }
            }
            _ if tag.is_yaml_core_schema() => {}
            _ => {
                let at = span.tag_span().map_or(node.at, |span| self.origin(span));
                let problem = Problem::new(at, format!("unknown tag `{}`", tag.original()));
                self.problems.push(problem.help("known are `!reset` and `!override`, in overlays"));
            }
        }
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let at = self.marked(error.marker());
        match error.kind() {
            ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation => {
                Problem::new(self.tab(at), "YAML cannot be indented with tabs")
                    .label("a tab")
                    .help(format!("replace them: sed -i 's/\\t/  /g' {}", self.path.display()))
            }
            ErrorKind::UnknownAnchor => Problem::new(at, "this alias has no anchor before it")
                .help("mark the value with `&NAME` first, then write `*NAME`"),
            ErrorKind::UndeclaredTagHandle => Problem::new(at, "this tag is not known here")
                .help("put text that begins with `!` into quotes"),
            _ => Problem::new(at, format!("this is not YAML: {}", error.info()))
                .label("found here")
                .help("look for a missing quote, bracket or colon here or just above"),
        }
    }

    fn marked(&self, marker: &Marker) -> Origin {
        let start = marker.byte_offset().unwrap_or_default().min(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default().trim_end().len();
        self.place(start, start + line)
    }

    /// The first tab in the line's indentation, or at the marker.
    fn tab(&self, at: Origin) -> Origin {
        let before = self.text.get(..at.start).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        let found = self.text.get(line..).and_then(|text| text.lines().next()?.find('\t'));
        found.map_or(at, |tab| self.place(line + tab, line + tab + 1))
    }
}
