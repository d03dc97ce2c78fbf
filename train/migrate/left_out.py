"""Keys of axolotl and LLaMA-Factory that have no equal here, by the reason; docs/howto/migrate.md lists them."""

from collections.abc import Mapping

from .rules import NOTHING, Rule, dropped, unless

ANOTHER = "callproof trains LoRA adapters on recorded sessions; this is of another training"
KERNELS = "kernels and precision inside layers are transformers' own here"
SHARDS = "processes are the launcher's: see docs/howto/scale.md"
MEMORY = "memory is saved by model.quantization, train.gradient_checkpointing and smaller batches"
RATES = "one learning rate and one schedule for all matrices; other optimizers by train.extra.optim"
ROWS = "rows are made by callproof when training begins"
WORDS = "the base's own tokenizer and chat template are used; a base folder may hold others"
IMAGES = "sessions are text"
TRACKERS = "trackers are wandb, tensorboard and trackio: set train.report_to, and their variables in .env"
SERVING = "serving has settings of its own: see docs/howto/serving.md"
ANSWERS = "evaluation answers the eval turns: see section eval"
WHOLE = "an adapter is saved, merged and pushed by commands of its own: see docs/howto/training.md"
UNSERVED = "vLLM serves no adapter that has it, or PEFT's default is taken"
OWN = "is of the old system alone"

_AXOLOTL = {
    ANOTHER: """
    rl trl vllm ebft reward_model process_reward_model center_rewards_coefficient num_labels dpo_beta
    dpo_use_logits_to_keep dpo_generate_during_eval dpo_norm_loss rpo_alpha dpo_use_weighting dpo_label_smoothing
    precompute_ref_log_probs dpo_use_liger_kernel dpo_padding_free dpo_loss_type dpo_loss_weights orpo_alpha simpo_gamma
    cpo_alpha kto_desirable_weight kto_undesirable_weight rl_beta pretraining_dataset lisa_n_layers lisa_step_interval
    lisa_layers_attribute relora relora_prune_ratio relora_prune_method relora_cpu_offload jagged_restart_steps
    jagged_restart_warmup_steps jagged_restart_anneal_steps qat quantization unfrozen_parameters freeze_mm_modules
    reinit_weights trainer_cls use_pose pose_split_on_token_ids pose_max_context_len pose_num_chunks use_eaft eaft_alpha
    eaft_k noisy_embedding_alpha use_onebitllms max_prompt_len""",
    KERNELS: """
    use_kernels s2_attention flash_attn_rms_norm flex_attn_compile_kwargs flash_attn_cross_entropy flash_attn_fuse_mlp
    flash_optimum sage_attention gemma4_hybrid_attn_impl large_head_attention flash_attn_d512 sdpa_varlen
    fused_attn_kernel experts_implementation quantize_moe_experts scaling_softmax scaling_softmax_factor
    scaling_softmax_bias lora_mlp_kernel lora_qkv_kernel lora_o_kernel lora_embedding_kernel chunked_cross_entropy
    chunked_cross_entropy_num_chunks tiled_mlp tiled_mlp_num_shards tiled_mlp_use_original_mlp llama4_linearized_experts
    fp8 fp8_enable_fsdp_float8_all_gather fp32_norms fp32_norm_classes peft_autocast_adapter_dtype model_type
    torch_compile_options""",
    SHARDS: """
    deepcompile fsdp_version fsdp_final_state_dict_type dp_shard_size dp_replicate_size sequence_parallel_degree
    context_parallel_size heads_k_stride ring_attn_func tensor_parallel_size use_ray ray_run_name ray_num_workers
    resources_per_worker device device_map world_size ddp torchdistx_path qlora_sharded_model_loading""",
    MEMORY: """
    experimental_skip_move_to_device model_quantization_config model_quantization_config_kwargs lora_on_cpu gptq
    bnb_config_kwargs max_memory gpu_memory_limit low_cpu_mem_usage gc_steps gc_collect_steps selective_checkpointing
    layer_offloading embeddings_skip_upcast shrink_embeddings""",
    RATES: """
    loraplus_lr_ratio loraplus_lr_embedding embedding_lr embedding_lr_scale lr_quadratic_warmup cosine_min_lr_ratio
    cosine_constant_lr_ratio lr_div_factor lr_groups adam_epsilon2 adam_beta3 dion_lr dion_momentum dion_rank_fraction
    dion_rank_multiple_of qgalore_rank qgalore_update_proj_gap qgalore_scale qgalore_proj_type qgalore_proj_quant
    qgalore_proj_bits qgalore_proj_group_size qgalore_cos_threshold qgalore_gamma_proj qgalore_queue_size""",
    ROWS: """
    role_boundaries max_packed_sequence_len shuffle_before_merging_datasets dataset_shard_num dataset_shard_idx
    skip_prepare_dataset num_dataset_shards_to_save dataset_exact_deduplication dataset_keep_in_memory
    push_dataset_to_hub excess_length_strategy eval_sequence_len min_sample_len sample_packing_group_size
    sample_packing_bin_size sample_packing_sequentially sample_packing_mp_start_method curriculum_sampling
    multipack_real_batches batch_flattening pretrain_multipack_buffer_size pretrain_multipack_attn
    pretraining_sample_concatenation streaming streaming_multipack_buffer_size is_preprocess preprocess_iterable
    total_num_tokens total_supervised_tokens sample_packing_eff_est roles_to_train""",
    WORDS: """
    cls_model_config tokenizer_use_fast tokenizer_legacy tokenizer_use_mistral_common tokenizer_save_jinja_files
    overrides_of_model_config overrides_of_model_kwargs type_of_model rope_scaling resize_token_embeddings_to_32x
    mean_resizing_embeddings added_tokens_overrides eot_tokens default_system_message
    fix_untrained_tokens is_falcon_derived_model is_llama_derived_model is_mistral_derived_model
    is_qwen_derived_model""",
    IMAGES: "processor_type processor_kwargs image_size image_resize_algorithm",
    TRACKERS: """
    wandb_run_id wandb_mode use_mlflow mlflow_tracking_uri mlflow_experiment_name mlflow_run_name
    hf_mlflow_log_artifacts use_comet comet_workspace comet_project_name comet_experiment_key comet_mode comet_online
    comet_experiment_config trackio_project_name trackio_run_name use_otel_metrics otel_metrics_host otel_metrics_port
    profiler_steps profiler_steps_start include_tokens_per_second include_tkps""",
    SERVING: """
    gradio_title gradio_share gradio_server_name gradio_server_port gradio_max_new_tokens gradio_temperature""",
    ANSWERS: """
    do_causal_lm_eval eval_causal_lm_metrics do_bench_eval bench_dataset bench_split generate_samples
    num_generation_samples generation_max_new_tokens generation_temperature generation_top_p generation_top_k
    generation_prompt_ratio generation_do_sample""",
    WHOLE: """
    save_safetensors merge_lora merge_method save_first_step auto_resume_from_checkpoints dynamic_checkpoint""",
    UNSERVED: """
    lora_target_parameters peft_layers_to_transform peft_layers_pattern peft peft_layer_replication
    peft_trainable_token_indices peft_ensure_weight_tying""",
    OWN: "loss_watchdog_threshold loss_watchdog_patience hf_use_auth_token axolotl_config_path debug",
}
_FACTORY = {
    ANOTHER: """
    use_badam badam_mode badam_start_block badam_switch_mode badam_switch_interval badam_update_ratio badam_mask_mode
    badam_verbose use_apollo apollo_target apollo_rank apollo_update_interval apollo_scale apollo_proj apollo_proj_type
    apollo_scale_type apollo_layerwise apollo_scale_front use_galore galore_target galore_rank galore_update_interval
    galore_scale galore_proj_type galore_layerwise pref_beta pref_ftx pref_bco_weight pref_loss dpo_label_smoothing
    kto_chosen_weight kto_rejected_weight simpo_gamma ppo_buffer_size ppo_epochs ppo_score_norm ppo_target
    ppo_whiten_rewards ref_model ref_model_adapters ref_model_quantization_bit reward_model reward_model_adapters
    reward_model_quantization_bit reward_model_type ld_alpha oft_rank oft_block_size oft_target freeze_trainable_layers
    freeze_trainable_modules freeze_extra_modules use_llama_pro use_adam_mini use_mca use_megatron_bridge
    megatron_bridge_args use_hyper_parallel hyper_parallel_args hyper_parallel_cp_size use_muon use_dft_loss
    use_asft_loss asft_alpha use_eaft_loss eaft_alpha train_from_scratch mixture_of_depths moe_aux_loss_coef""",
    KERNELS: """
    upcast_layernorm upcast_lmhead_output use_v1_kernels fp8 fp8_backend fp8_enable_fsdp_float8_all_gather shift_attn
    block_diag_attn use_unsloth use_unsloth_gc use_reentrant_gc compute_dtype infer_dtype""",
    SHARDS: """
    ray_num_workers ray_init_kwargs master_addr master_port device_map quantization_device_map data_shared_file_system
    low_cpu_mem_usage offload_folder use_kt kt_cpu_activation kt_weight_path kt_non_expert_weight_path
    kt_expert_checkpoint_path kt_use_lora_experts kt_lora_expert_num kt_lora_expert_intermediate_size""",
    RATES: "loraplus_lr_embedding",
    ROWS: """
    buffer_size mix_strategy interleave_probs preprocessing_batch_size ignore_pad_token_for_loss eval_on_each_dataset
    disable_shuffling sortish_sampler""",
    WORDS: """
    tool_format default_system preserve_thinking use_fast_tokenizer resize_vocab split_special_tokens add_tokens
    add_special_tokens new_special_tokens_config init_special_tokens rope_scaling model_max_length
    skip_special_tokens""",
    IMAGES: """
    media_dir freeze_vision_tower freeze_multi_modal_projector freeze_language_model image_max_pixels image_min_pixels
    image_do_pan_and_scan crop_to_patches video_max_pixels video_min_pixels video_fps video_maxlen use_audio_in_video
    audio_sampling_rate""",
    TRACKERS: """
    use_swanlab swanlab_project swanlab_workspace swanlab_run_name swanlab_mode swanlab_logdir
    include_effective_tokens_per_second enable_torch_profiler profiler_output_dir profiler_wait_steps
    profiler_warmup_steps profiler_active_steps profiler_repeat profiler_record_shapes profiler_profile_memory
    profiler_with_stack profile_modules print_param_status""",
    SERVING: """
    sglang_maxlen sglang_mem_fraction sglang_tp_size sglang_config sglang_lora_backend vllm_maxlen vllm_gpu_util
    vllm_enforce_eager vllm_max_lora_rank vllm_config infer_backend use_kv_cache""",
    ANSWERS: """
    eval_num_beams compute_accuracy top_p top_k num_beams repetition_penalty length_penalty predict_with_generate
    generation_max_length generation_num_beams generation_config""",
    WHOLE: """
    export_dir export_size export_device export_quantization_bit export_quantization_dataset
    export_quantization_nsamples export_quantization_maxlen export_legacy_format export_hub_model_id adapter_folder
    create_new_adapter""",
    UNSERVED: "pissa_iter pissa_convert module_dropout",
    MEMORY: "quantization_type double_quantization",
    "set HF_HOME in the environment or .env": "cache_dir",
}


def _rules(reasons: Mapping[str, str]) -> dict[str, Rule]:
    return {key: unless(NOTHING, dropped(reason)) for reason, keys in reasons.items() for key in keys.split()}


AXOLOTL_LEFT, FACTORY_LEFT = _rules(_AXOLOTL), _rules(_FACTORY)
