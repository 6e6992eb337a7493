"""What other trainers call our keys, so that an unknown key can be named; none is accepted."""

from __future__ import annotations

_ALIASES = {
    "base": "base_model model model_id model_name model_name_or_path model_path"
    " pretrained_model_name_or_path",
    "base.revision": "model_revision",
    "data.train": "data_files data_path dataset dataset_id dataset_name dataset_path datasets"
    " train_data train_dataset train_file training_file",
    "data.validation": "dev_file eval_data eval_dataset eval_file val_data val_dataset val_file"
    " validation_data validation_dataset validation_file",
    "data.test": "test_data test_dataset test_datasets test_file",
    "data.validation_ratio": "val_ratio val_set_size val_size validation_split",
    "data.max_seq_len": "block_size context_length cutoff_len max_length max_seq_length"
    " model_max_length seq_len seq_length sequence_len sequence_length",
    "data.system": "default_system system_prompt",
    "method": "adapter finetuning_type peft_type",
    "method.flavours": "init_lora_weights use_dora use_rslora",
    "method.quantization": "bnb_4bit_quant_type load_in_4bit load_in_8bit quantization_bit",
    "method.start_from": "adapter_name_or_path lora_model_dir",
    "method.top_layers": "freeze_trainable_layers num_layer_trainable",
    "method.patterns": "freeze_trainable_modules unfrozen_parameters",
    "method.rank": "lora_r lora_rank r",
    "method.alpha": "lora_alpha",
    "method.dropout": "lora_dropout",
    "method.target_modules": "lora_modules lora_target lora_target_linear lora_target_modules",
    "objective": "rl",
    "objective.loss": "dpo_loss loss_type pref_loss",
    "objective.beta": "cpo_beta dpo_beta ipo_beta kto_beta orpo_beta pref_beta rl_beta simpo_beta",
    "objective.gamma": "simpo_gamma",
    "objective.wanted_weight": "desirable_weight kto_chosen_weight kto_desirable_weight",
    "objective.unwanted_weight": "kto_rejected_weight kto_undesirable_weight undesirable_weight",
    "objective.sft_weight": "cpo_alpha dpo_ftx pref_ftx rpo_alpha",
    "objective.length_desensitisation": "ld_alpha length_desensitization",
    "objective.label_smoothing": "dpo_label_smoothing label_smoothing_factor",
    "objective.neftune_alpha": "neftune_noise_alpha noisy_embedding_alpha",
    "train.epochs": "epoch n_epochs num_epochs num_train_epochs",
    "train.max_steps": "iters max_train_steps num_steps num_train_steps total_steps",
    "train.batch_size": "accumulate_grad_batches effective_batch_size global_batch_size"
    " grad_accum_steps gradient_accumulation gradient_accumulation_steps micro_batch_size"
    " per_device_batch_size per_device_train_batch_size train_batch_size",
    "train.learning_rate": "lr max_lr peak_lr",
    "train.schedule": "lr_schedule lr_scheduler lr_scheduler_type scheduler",
    "train.warmup_ratio": "warmup",
    "train.warmup_steps": "lr_warmup_steps num_warmup_steps warmup_iters",
    "train.optimizer": "optim optimizer_name",
    "train.optimizer_settings": "adam_beta1 adam_beta2 adam_betas adam_eps adam_epsilon betas eps"
    " epsilon optim_args optimizer_args wd weight_decay",
    "train.max_grad_norm": "clip_grad clip_grad_norm grad_clip grad_clip_norm gradient_clip_val"
    " gradient_clipping",
    "train.precision": "bf16 dtype fp16 mixed_precision torch_dtype",
    "train.techniques": "activation_checkpointing activation_offloading gradient_checkpointing"
    " torch_compile",
    "train.eval_every_steps": "eval_steps steps_per_eval",
    "train.patience": "early_stopping early_stopping_patience",
    "train.checkpoints.every_s": "checkpoint_every_s checkpoint_every_steps save_every save_steps",
    "train.checkpoints.keep": "keep_checkpoints save_total_limit",
    "evaluate.max_new_tokens": "max_completion_length max_generation_length",
    "evaluate.batch_size": "eval_batch_size per_device_eval_batch_size",
    "trackers": "log_with logger report_to tracker",
    "base.new_tokens": "add_tokens additional_special_tokens added_tokens new_special_tokens",
    "launch.processes": "nproc_per_node num_gpus num_processes world_size",
    "name": "experiment_name run_name",
    "output": "output_dir output_path save_dir",
    "seed": "data_seed manual_seed np_seed random_seed random_state torch_seed train_seed",
}
"""Each of our keys and the names that others have for it."""

_DIFFERENCES = {
    "train.batch_size": "the sequences of a whole step: per device × accumulation × devices",
    "train.warmup_ratio": "a share of all steps",
    "train.optimizer_settings": "a map of weight_decay, betas, epsilon",
    "train.checkpoints.every_s": "in seconds",
}
"""What our key means where a number of theirs cannot be copied."""

_OPTIMIZERS = {
    "adamw": "adam adamw_fused adamw_hf adamw_torch adamw_torch_8bit adamw_torch_fused",
    "adamw_8bit": "adam8bit adam_8bit adamw8bit adamw_bnb_8bit",
    "paged_adamw_8bit": "paged_adam_8bit paged_adamw paged_adamw_32bit pagedadamw8bit",
    "lion": "lion_32bit lion_8bit paged_lion_32bit paged_lion_8bit",
    "schedule_free": "adamw_schedule_free schedule_free_adamw schedulefree",
}
"""Each of our optimizers and the names that others have for it, or for what comes nearest."""

_DPO_LOSSES = {
    "ipo": "loss: ipo",
    "hinge": "loss: hinge",
    "slic": "loss: hinge",
    "robust_dpo": "loss: robust, label_smoothing: 0.1",
    "cdpo": "label_smoothing: 0.1",
    "rpo": "sft_weight: 1",
    "ld_dpo": "length_desensitisation: 0.5",
    "exo": "loss: exo, label_smoothing: 0.001",
    "nca": "loss: nca",
    "bco": "loss: bco",
    "sppo": "loss: sppo",
    "apo": "loss: apo_zero",
}
"""What others call objectives of their own, and the settings of dpo that they are here."""

_REFUSED = {
    ("train.precision", "fp16"): "write mixed or bf16: on a CPU the backward pass of fp16 takes 80 "
    "times as long, and its small range needs the loss scaled",
    **{
        ("train.optimizer", theirs): f"write {ours}"
        for ours, names in _OPTIMIZERS.items()
        for theirs in names.split()
    },
    **{
        ("objective.type", theirs): f"write objective: {{type: dpo, {settings}}}"
        for theirs, settings in _DPO_LOSSES.items()
    },
}
"""Values that others take, with what to write instead and why."""

_MEANT = {alias: key for key, aliases in _ALIASES.items() for alias in aliases.split()}


def find_meant(word: str) -> str:
    """The dotted key of ours that another trainer calls `word`; empty where none is known."""
    return _MEANT.get(word.rpartition(".")[2].lower().replace("-", "_"), "")


def get_difference(key: str) -> str:
    """What our `key` means where a number of another trainer's cannot be copied; else empty."""
    return _DIFFERENCES.get(key, "")


def get_refusal(key: str, value: object) -> str:
    """What to write for a `value` that others take and our `key` does not, and why; else empty."""
    return _REFUSED.get((key, str(value)), "")
