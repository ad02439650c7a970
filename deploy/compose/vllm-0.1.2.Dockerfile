# vLLM 0.1.2 (July 2023) as one installed it then: no image of it was published. Built on no machine of ours.
# Its sdist compiles CUDA kernels: expect half an hour.
FROM nvidia/cuda:11.8.0-devel-ubuntu22.04
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-pip python3-dev git \
    && rm -rf /var/lib/apt/lists/*
# 0.1.2 asks for "any" of these; today's any is not what it was written for. fschat: 0.2.18 does not know the
# llama-2 template, 0.2.23 changed it: both answer HTTP 500.
RUN pip3 install --no-cache-dir \
    torch==2.0.1 "numpy<2" ninja==1.11.1 "pydantic<2" fastapi==0.99.1 uvicorn==0.22.0 \
    transformers==4.31.0 "fschat>=0.2.19,<0.2.23" ray==2.5.1 \
    && pip3 install --no-cache-dir --no-build-isolation vllm==0.1.2
ENTRYPOINT ["python3", "-m"]
CMD ["vllm.entrypoints.api_server", "--help"]
