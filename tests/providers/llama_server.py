"""llama.cpp's own server (from the wheel of xllamacpp) on a tiny model of random numbers, until its input ends.

The model is a llama of two layers whose tokens are single bytes, so what it counts can be counted by hand: half a megabyte,
made in a tenth of a second. It talks nonsense, in well-formed answers.
"""

import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 4096
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"


def write_model(path: Path) -> None:
    random = np.random.default_rng(7)
    tokens = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % byte for byte in range(256))]
    types = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)

    def tensor(name: str, *shape: int) -> None:
        numbers = random.standard_normal(shape) * 0.05 if len(shape) > 1 else np.ones(shape)
        writer.add_tensor(f"{name}.weight", numbers.astype(np.float32))

    tensor("token_embd", len(tokens), WIDTH)
    tensor("output_norm", WIDTH)
    tensor("output", len(tokens), WIDTH)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"blk.{layer}.{name}", WIDTH, WIDTH)
        tensor(f"blk.{layer}.attn_norm", WIDTH)
        tensor(f"blk.{layer}.ffn_gate", INNER, WIDTH)
        tensor(f"blk.{layer}.ffn_up", INNER, WIDTH)
        tensor(f"blk.{layer}.ffn_down", WIDTH, INNER)
        tensor(f"blk.{layer}.ffn_norm", WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.gguf"
        write_model(model)
        terms = xllamacpp.CommonParams()
        terms.model.path = str(model)
        terms.port = 0
        terms.n_ctx, terms.n_parallel = CONTEXT, 1
        terms.cpuparams.n_threads = 1
        terms.warmup = False
        terms.embedding = True
        terms.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        server = xllamacpp.Server(terms)
        print("listening on", server.listening_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
