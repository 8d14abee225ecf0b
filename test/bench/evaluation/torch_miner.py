"""Measures submissions with PyTorch, for comparison: asked over stdin, answers over stdout, one JSON line each.

usage: torch_miner.py MODEL_DIRECTORY TOKENS_FILE BATCHES SEQUENCES LENGTH

TOKENS_FILE holds uint32[BATCHES, SEQUENCES, LENGTH + 1]. Requests: {"way": "reference" | "in_place" | "in_place_joined",
"path": FILE}. The reference's way copies the model, loads the submission into the copy and evaluates it; in place swaps the
group's parameters and puts them back; joined does that with all batches as one.
"""

import copy
import json
import sys
import time

import numpy
import torch
import torch.nn.functional as F


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        values = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(values, dtype=torch.float32, count=(end - begin) // 4, offset=begin)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


class RmsNorm(torch.nn.Module):
    def __init__(self, size, epsilon):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(size))
        self.epsilon = epsilon

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


def linear(inputs, outputs):
    return torch.nn.Linear(inputs, outputs, bias=False)


class Attention(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, size = config["hidden_size"], config["head_dim"]
        self.heads, self.shared, self.size = config["num_attention_heads"], config["num_key_value_heads"], size
        self.q_proj, self.o_proj = linear(hidden, self.heads * size), linear(self.heads * size, hidden)
        self.k_proj, self.v_proj = linear(hidden, self.shared * size), linear(hidden, self.shared * size)
        self.q_norm, self.k_norm = RmsNorm(size, config["rms_norm_eps"]), RmsNorm(size, config["rms_norm_eps"])

    def forward(self, x, cos, sin, mask):
        batch, length, _ = x.shape
        query = self.q_norm(self.q_proj(x).view(batch, length, self.heads, self.size)).transpose(1, 2)
        key = self.k_norm(self.k_proj(x).view(batch, length, self.shared, self.size)).transpose(1, 2)
        value = self.v_proj(x).view(batch, length, self.shared, self.size).transpose(1, 2)
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        if self.heads != self.shared:
            key = key.repeat_interleave(self.heads // self.shared, 1)
            value = value.repeat_interleave(self.heads // self.shared, 1)
        scores = torch.matmul(query, key.transpose(2, 3)) * self.size**-0.5 + mask
        seen = torch.matmul(torch.softmax(scores, -1), value).transpose(1, 2).reshape(batch, length, -1)
        return self.o_proj(seen)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


class Expert(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, inner = config["hidden_size"], config["moe_intermediate_size"]
        self.gate_proj, self.up_proj, self.down_proj = linear(hidden, inner), linear(hidden, inner), linear(inner, hidden)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Experts(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.count, self.chosen = config["num_experts"], config["num_experts_per_tok"]
        self.normalize = config["norm_topk_prob"]
        self.gate = linear(config["hidden_size"], self.count)
        self.experts = torch.nn.ModuleList(Expert(config) for _ in range(self.count))

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        shares, chosen = torch.topk(torch.softmax(self.gate(rows), -1), self.chosen, -1)
        if self.normalize:
            shares = shares / shares.sum(-1, keepdim=True)
        out = torch.zeros_like(rows)
        places = F.one_hot(chosen, self.count).permute(2, 1, 0)
        for index, expert in enumerate(self.experts):
            slot, row = torch.where(places[index])
            out.index_add_(0, row, expert(rows[row]) * shares[row, slot, None])
        return out.view_as(x)


class Layer(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, epsilon = config["hidden_size"], config["rms_norm_eps"]
        self.self_attn, self.mlp = Attention(config), Experts(config)
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(hidden, epsilon), RmsNorm(hidden, epsilon)

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = torch.nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])


class Model(torch.nn.Module):
    def __init__(self, config, length):
        super().__init__()
        self.model = Trunk(config)
        self.lm_head = linear(config["hidden_size"], config["vocab_size"])
        frequencies = config["rope_theta"] ** (-torch.arange(0, config["head_dim"], 2).double() / config["head_dim"])
        angles = torch.outer(torch.arange(length).double(), frequencies)
        angles = torch.cat((angles, angles), -1)
        self.cos, self.sin = angles.cos().float(), angles.sin().float()
        self.mask = torch.full((length, length), float("-inf")).triu(1)

    def forward(self, tokens, targets):
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        logits = self.lm_head(self.model.norm(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def sgemm_gflops():
    size = 1024
    a, b = torch.rand(size, size), torch.rand(size, size)
    torch.mm(a, b)
    best = float("inf")
    for _ in range(8):
        begin = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / 1e9


def mean_loss(model, batches):
    return sum(float(model(tokens, targets)) for tokens, targets in batches) / len(batches)


def reference_way(base, path, batches):
    model = copy.deepcopy(base)
    model.load_state_dict(read_safetensors(path), strict=False)
    return mean_loss(model, batches)


def in_place(base, parameters, path, batches):
    submitted = read_safetensors(path)
    kept = {name: parameters[name].data for name in submitted}
    for name, tensor in submitted.items():
        parameters[name].data = tensor
    try:
        return mean_loss(base, batches)
    finally:
        for name, tensor in kept.items():
            parameters[name].data = tensor


def main():
    directory, tokens_file, *shape = sys.argv[1:]
    count, sequences, length = (int(each) for each in shape)
    torch.set_num_threads(1)
    with open(f"{directory}/config.json") as file:
        base = Model(json.load(file), length).eval()
    base.load_state_dict(read_safetensors(f"{directory}/model.safetensors"))
    parameters = dict(base.named_parameters())
    stored = torch.from_numpy(numpy.fromfile(tokens_file, dtype=numpy.uint32).astype(numpy.int64))
    stored = stored.reshape(count, sequences, length + 1)
    batches = [(each[:, :-1], each[:, 1:].contiguous()) for each in stored]
    everything = stored.reshape(1, count * sequences, length + 1)
    joined = [(each[:, :-1], each[:, 1:].contiguous()) for each in everything]
    ways = {
        "reference": lambda path: reference_way(base, path, batches),
        "in_place": lambda path: in_place(base, parameters, path, batches),
        "in_place_joined": lambda path: in_place(base, parameters, path, joined),
    }
    print(json.dumps({"torch": torch.__version__, "sgemmGflops": sgemm_gflops()}), flush=True)
    with torch.no_grad():
        for line in sys.stdin:
            request = json.loads(line)
            begin, cpu = time.perf_counter(), time.process_time()
            loss = ways[request["way"]](request["path"])
            answer = {"ms": (time.perf_counter() - begin) * 1e3, "cpuMs": (time.process_time() - cpu) * 1e3, "loss": loss}
            print(json.dumps(answer), flush=True)


main()
