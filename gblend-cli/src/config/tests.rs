#![allow(clippy::unwrap_used)]
use super::*;

fn parse(text: &str, overrides: &[&str]) -> Result<Config, ConfigError> {
    let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
    Config::parse("test.toml", text, PathBuf::from("/base"), &overrides)
}

#[test]
fn the_builtin_configuration_is_valid_and_survives_being_written() {
    let config = parse(BUILTIN, &[]).unwrap();
    let written = config.to_toml().unwrap();
    let again = parse(&written, &[]).unwrap();
    assert_eq!(again.to_toml().unwrap(), written);
    assert_eq!(again.base, PathBuf::from("/base"));
    assert_eq!(again.heads().unwrap(), config.heads().unwrap());
}

#[test]
fn the_order_of_the_modalities_is_that_of_the_file() {
    let config = parse(BUILTIN, &[]).unwrap();
    assert_eq!(
        config.heads().unwrap().names(),
        ["camera", "motion", "microphone", "joint"]
    );
}

#[test]
fn another_kind_drops_the_old_kinds_settings_but_not_the_pipelines() {
    let text = format!("{BUILTIN}momentum = 0.5\nclip_norm = 2.0\n");
    let config = parse(&text, &["optimizer.kind=adam"]).unwrap();
    assert_eq!(config.optimizer.plugin.typetag_name(), "adam");
    assert_eq!(config.optimizer.plugin.learning_rate(), 1e-3);
    assert_eq!(config.optimizer.pipeline.clip_norm, Some(2.0));
    let config = parse(&text, &["optimizer.learning_rate=0.3", "optimizer.kind=adam"]).unwrap();
    assert_eq!(config.optimizer.plugin.learning_rate(), 0.3);
}

#[test]
fn a_plugin_and_the_pipeline_share_no_key() {
    for plugin in gblend_core::catalogue().unwrap().plugins() {
        let schema = (plugin.schema)();
        let own = schema.get("properties").and_then(|keys| keys.as_object());
        for key in pipeline_keys::pipeline_keys(plugin.role) {
            let twice = own.is_some_and(|own| own.contains_key(&key));
            assert!(
                !twice,
                "{} {}: the pipeline would take `{key}`",
                plugin.role, plugin.kind
            );
        }
    }
}

#[test]
fn an_error_names_file_line_key_and_override() {
    let message = |text: &str, overrides: &[&str]| parse(text, overrides).err().unwrap().to_string();
    let text = BUILTIN.replace("epochs = 20", "epochs = -1");
    let line = 1 + text[..text.find("epochs").unwrap()].matches('\n').count();
    let found = message(&text, &[]);
    assert!(
        found.starts_with(&format!("test.toml:{line}: run.epochs: ")),
        "{found}"
    );
    let found = message(BUILTIN, &["blend.kind=fixed"]);
    assert!(found.contains("blend") && found.contains("weights"), "{found}");
    let found = message(BUILTIN, &["modality.camera.frames=x"]);
    assert!(found.starts_with("--set modality.camera.frames=x: "), "{found}");
}

#[test]
fn every_kind_has_a_schema_with_a_description_for_each_key() {
    let schema = json_schema().unwrap();
    for table in ["data", "fusion", "blend", "optimizer"] {
        for kind in schema["properties"][table]["oneOf"].as_array().unwrap() {
            for (key, value) in kind["properties"].as_object().unwrap() {
                let described = key == "kind" || value.get("description").is_some();
                assert!(described, "{table} {} {key}", kind["title"]);
            }
        }
    }
}
