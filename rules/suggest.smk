"""Suggestions: pipelines for the pivot, merged from the best runs on similar tasks."""

inputs = study.inputs.suggest


rule suggest_pipeline:
    """Suggest a pipeline and a source for a task, by the distances of other tasks and the networks on them."""
    input:
        distances=inputs.distances,  # DISTANCES/{measure}.csv
        models=ancient(inputs.models),  # MODELS/*/*.json
        pipelines=ancient(inputs.pipelines),  # PIPELINES/*/*.yaml
    output:
        suggestion=fm.output("suggestion"),  # BLUEPRINTS/{task}/suggestion-{number}.yaml
    log:
        fm.log("suggest_pipeline", "suggestion"),
    conda:
        "../config/environment.yaml"
    params:
        projects=inputs.projects,
        options=inputs.options,
        own=inputs.own,
        metrics=inputs.metrics,
        pretrainable=inputs.pretrainable,
    message:
        "suggest a pipeline for {wildcards.task}, number {wildcards.number}"
    script:
        "../scripts/suggest_pipeline.py"


rule describe_suggestions:
    """Describe the suggestions for a task: the origin of each value, and the reason."""
    input:
        suggestions=inputs.suggestions,  # BLUEPRINTS/{task}/suggestion-*.yaml
    output:
        account=fm.output("suggestion_account"),  # BLUEPRINTS/{task}/suggestions.md
        pages=report(
            fm.output("suggestion_pages"),  # PLOTS/suggest/{task}
            patterns=["{page,[a-z_]+}.html"],
            category="Suggestions",
            subcategory="{task}",
            labels=inputs.page,
            caption="captions/suggestions.rst",
        ),
    log:
        fm.log("describe_suggestions", "suggestion_account"),
    conda:
        "../config/environment.yaml"
    message:
        "describe the suggestions for {wildcards.task}"
    script:
        "../scripts/describe_suggestions.py"
