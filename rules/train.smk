"""Training, with all that precedes it."""

inputs = study.inputs.train


rule check_images:
    """Refuse leakage: compare the images of tasks by their content, so that no test image is a training image."""
    input:
        descriptions=inputs.guarded_descriptions,  # TASKS/*/*.json
    output:
        overlaps=fm.output("overlaps"),  # INFO/overlaps-{sha256}.json
    log:
        fm.log("check_images", "overlaps"),
    priority: 101  # its refusals come before images are packed
    conda:
        "../config/environment.yaml"
    params:
        guards=inputs.guards,
        described=inputs.foreign_descriptions,
    message:
        "check that no test image is a training image"
    script:
        "../scripts/check_images.py"


rule write_pipeline:
    """Write the pipeline of a run: everything that decides its result."""
    input:
        suggestion=ancient(inputs.suggestion),  # BLUEPRINTS/{task}/suggestion-*.yaml
        choice=ancient(inputs.search_choice),  # SEARCH/{task}/*/{run}.yaml
    output:
        pipeline=fm.output("pipeline"),  # PIPELINES/{task}/{run}.yaml
    log:
        fm.log("write_pipeline", "pipeline"),
    conda:
        "../config/environment.yaml"
    params:
        content=inputs.pipeline_content,
        reports_validation=inputs.reports_validation,
    message:
        "write the pipeline of run {wildcards.run} on {wildcards.task}"
    script:
        "../scripts/write_pipeline.py"


rule select_model:
    """Choose the model that a run starts from among all candidates, and state the reason."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),  # PIPELINES/{task}/{run}.yaml
        models=ancient(inputs.candidate_models),  # MODELS/*/*.json
    output:
        selection=fm.output("selection"),  # SELECTIONS/{task}/{run}.json
    log:
        fm.log("select_model", "selection"),
    conda:
        "../config/environment.yaml"
    message:
        "choose the model that run {wildcards.run} on {wildcards.task} starts from"
    script:
        "../scripts/select_model.py"


rule tune_fold:
    """Search the learning rate or the batch size before a training."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),  # PIPELINES/{task}/{run}.yaml
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/*/*
        selection=ancient(inputs.selection),  # SELECTIONS/{task}/{run}.json
        pretrained=ancient(inputs.candidate_parameters),  # PARAMETERS/*/*.safetensors
    output:
        tuning=fm.output("tuning"),  # TUNING/{task}/{run}-fold{fold}.json
    log:
        fm.log("tune_fold", "tuning"),
    benchmark:
        fm.benchmark("tune_fold", "tuning")
    conda:
        "../config/environment.yaml"
    threads: study.gpus.threads("tune_fold", 4)
    resources:
        mem_mb=study.resources.mem_mb("tune_fold", 8000),
        runtime=study.resources.runtime("tune_fold", 120),
        gpu=study.gpus.number("tune_fold"),
        gpu_mem_mb=study.gpus.memory("tune_fold"),
    params:
        candidates=inputs.candidates,
        datasets=inputs.datasets,
        folder=inputs.tuning_folder,  # PROJ_PATH/.tuning-{task}-{run}-fold{fold}
        checkpoints=inputs.checkpoints,  # CHECKPOINTS/{task}/{run}-fold{fold}
        tensorboard=inputs.tensorboard,  # TENSORBOARD/{task}/{run}-fold{fold}
    message:
        "tune {wildcards.task} fold {wildcards.fold}: run {wildcards.run}"
    script:
        "../scripts/tune_fold.py"


rule train_fold:
    """Train one network on one fold of one task, together with its co-tasks if it has any."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),  # PIPELINES/{task}/{run}.yaml
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/*/*
        selection=ancient(inputs.selection),  # SELECTIONS/{task}/{run}.json
        pretrained=ancient(inputs.candidate_parameters),  # PARAMETERS/*/*.safetensors
        tuning=ancient(inputs.tuning),  # TUNING/{task}/{run}-fold{fold}.json
    output:
        parameters=fm.output("parameters"),  # PARAMETERS/{task}/{run}-fold{fold}.safetensors
        model=fm.output("models"),  # MODELS/{task}/{run}-fold{fold}.json
        history=fm.output("history"),  # HISTORY/{task}/{run}-fold{fold}.csv
    log:
        fm.log("train_fold", "models"),
    benchmark:
        fm.benchmark("train_fold", "models")
    conda:
        "../config/environment.yaml"
    threads: study.gpus.threads("train_fold", 4)
    resources:
        mem_mb=study.resources.mem_mb("train_fold", 8000),
        runtime=study.resources.runtime("train_fold", 240),
        gpu=study.gpus.number("train_fold"),
        gpu_mem_mb=study.gpus.memory("train_fold"),
    params:
        # Functions of the output: a new value does not repeat a training.
        candidates=inputs.candidates,
        datasets=inputs.datasets,
        checkpoints=inputs.checkpoints,  # CHECKPOINTS/{task}/{run}-fold{fold}
        tensorboard=inputs.tensorboard,  # TENSORBOARD/{task}/{run}-fold{fold}
        logger=inputs.logger,  # LOGGERS/{task}/{run}-fold{fold}
        stores=inputs.stores,  # PARAMETERS/{task}/*.safetensors and the like, of a trial with the same pipeline
        label=inputs.training_name,
    message:
        "train {wildcards.task} fold {wildcards.fold}: {params.label}"
    script:
        "../scripts/train_fold.py"


rule store_blueprint:
    """Store the pipeline of a task's best run as a blueprint for studies of other tasks."""
    input:
        pipelines=inputs.pipelines,  # PIPELINES/{task}/*.yaml
        models=inputs.models,  # MODELS/{task}/*.json
    output:
        blueprint=fm.output("blueprint"),  # BLUEPRINTS/{task}/{mode}.yaml
    log:
        fm.log("store_blueprint", "blueprint"),
    conda:
        "../config/environment.yaml"
    params:
        by=inputs.main_metric,
    message:
        "store the best pipeline of {wildcards.task} as a blueprint"
    script:
        "../scripts/store_blueprint.py"
