"""Search of hyper-parameters: trials are proposed from the results of others, trained, continued and compared."""

inputs = study.inputs.search


rule propose_trial:
    """Propose a trial from the results of earlier trials."""
    input:
        pipeline=ancient(inputs.base),  # PIPELINES/{task}/*.yaml
        previous=ancient(inputs.previous),  # SEARCH/{task}/{search}/trial-*.json
        results=ancient(inputs.known_results),  # SEARCH/{task}/{search}/rung0-*-fold*.json
        former=ancient(inputs.former_trials),  # SEARCH/{task}/trials.csv of other projects
    output:
        trial=fm.output("trial"),  # SEARCH/{task}/{search}/trial-{number}.json
    log:
        fm.log("propose_trial", "trial"),
    priority: 50  # trainings wait for it
    conda:
        "../config/environment.yaml"
    params:
        options=inputs.options,
        objectives=inputs.objectives,
        present=inputs.present,
    message:
        "propose trial {wildcards.number} of search {wildcards.search} on {wildcards.task}"
    script:
        "../scripts/propose_trial.py"


rule promote_trial:
    """Choose the training of the rung below that a slot of a rung continues."""
    input:
        pipeline=ancient(inputs.base),  # PIPELINES/{task}/*.yaml
        previous=ancient(inputs.slot_before),  # SEARCH/{task}/{search}/rung{rung}-*.json
        trials=ancient(inputs.candidate_trials),  # SEARCH/{task}/{search}/*.json
        results=ancient(inputs.candidate_results),  # SEARCH/{task}/{search}/rung*-*-fold*.json
    output:
        trial=fm.output("promotion"),  # SEARCH/{task}/{search}/rung{rung}-{number}.json
    log:
        fm.log("promote_trial", "promotion"),
    priority: 50
    conda:
        "../config/environment.yaml"
    params:
        options=inputs.options,
        objectives=inputs.objectives,
    message:
        "choose training {wildcards.number} of rung {wildcards.rung} of search {wildcards.search} on {wildcards.task}"
    script:
        "../scripts/promote_trial.py"


rule train_trial:
    """Train a trial on one fold, up to the epochs of its rung, and store its network like that of an ordinary run."""
    input:
        pipeline=ancient(inputs.base),  # PIPELINES/{task}/*.yaml
        trial=ancient(inputs.trial),  # SEARCH/{task}/{search}/*.json
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/*/*
        selection=ancient(inputs.selection),  # SELECTIONS/{task}/*.json
        pretrained=ancient(inputs.candidate_parameters),  # PARAMETERS/*/*.safetensors
    output:
        result=fm.output("trial_result"),  # SEARCH/{task}/{search}/rung{rung}-{number}-fold{fold}.json
    log:
        fm.log("train_trial", "trial_result"),
    benchmark:
        fm.benchmark("train_trial", "trial_result")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("train_trial", 1)  # whatever the machine: the search depends on it
    resources:
        mem_mb=study.resources.mem_mb("train_trial", 8000),
        runtime=study.resources.runtime("train_trial", 240),
        gpu=study.gpus.number("train_trial"),
        gpu_mem_mb=study.gpus.memory("train_trial"),
    params:
        epochs=inputs.epochs,
        objectives=inputs.objectives,
        # Functions of the output: a new value does not repeat a training.
        candidates=inputs.candidates,
        datasets=inputs.datasets,
        stores=inputs.stores,  # PARAMETERS/{task}/*.safetensors and the like, of the trial's own run
        threads=inputs.threads,
    message:
        "train trial {wildcards.number} of rung {wildcards.rung} of search {wildcards.search} on {wildcards.task} "
        "fold {wildcards.fold}"
    script:
        "../scripts/train_trial.py"


rule choose_trial:
    """Choose one of the best trials as the pipeline of a run."""
    input:
        trials=ancient(inputs.finished_trials),  # SEARCH/{task}/{search}/*.json
        results=ancient(inputs.finished_results),  # SEARCH/{task}/{search}/rung*-*-fold*.json
    output:
        choice=fm.output("search_choice"),  # SEARCH/{task}/{search}/{run}.yaml
    log:
        fm.log("choose_trial", "search_choice"),
    conda:
        "../config/environment.yaml"
    params:
        objectives=inputs.objectives,
        rank=inputs.rank,
        pipeline=inputs.chosen_pipeline,  # PIPELINES/{task}/{run}.yaml
    message:
        "choose the trial of rank {params.rank} in search {wildcards.search} on {wildcards.task}"
    script:
        "../scripts/choose_trial.py"


rule collect_search:
    """Collect the trials of all searches for a task in a table, with the importance of their parameters."""
    input:
        trials=inputs.all_trials,  # SEARCH/{task}/*/*.json
        results=inputs.all_results,  # SEARCH/{task}/*/rung*-*-fold*.json
    output:
        table=fm.output("trials"),  # SEARCH/{task}/trials.csv
        importance=fm.output("importance"),  # SEARCH/{task}/importance.csv
        journal=fm.output("optuna_journal"),  # SEARCH/{task}/optuna.log
        plots=report(
            fm.output("search_plots"),  # SEARCH/{task}/plots
            patterns=["{figure,[a-z_0-9]+}.svg", "{table,[a-z_0-9]+}.html"],
            category="Search",
            subcategory="{task}",
            labels=inputs.page,
            caption="captions/search.rst",
        ),
    log:
        fm.log("collect_search", "trials"),
    conda:
        "../config/environment.yaml"
    params:
        searches=inputs.searches,
        checkpoints=inputs.checkpoints,  # CHECKPOINTS/{task}/*
    message:
        "collect the trials of searches on {wildcards.task}"
    script:
        "../scripts/collect_search.py"
