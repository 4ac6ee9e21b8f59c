#!/bin/sh
# What builds the image: any tool will do. skiff says by variables what it is to be called and where it has to be in the end.
set -e
docker build --quiet --tag "$IMAGE" "$BUILD_CONTEXT"
if [ "$PUSH_IMAGE" = true ]; then
  docker push --quiet "$IMAGE"
fi
