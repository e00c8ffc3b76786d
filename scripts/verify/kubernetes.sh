#!/usr/bin/env bash
# npm run verify:kubernetes: config/kubernetes as kubectl would apply it, against the published schemas of the versions below, strictly (an unknown
# field is a fault). The unit test deployment-kubernetes holds it against the program's own configuration.
#
# Needs kubernetes-validate (PyPI; it brings the schemas). With kustomize on the PATH, what `kubectl apply -k` makes of it is checked too.
# VERIFY_KUBERNETES ("1.30 1.37"): the versions.
. "$(dirname "$0")/common.sh"
manifests=$root/config/kubernetes
validate=${KUBERNETES_VALIDATE:-kubernetes-validate}
command -v "$validate" >/dev/null || die "needs kubernetes-validate (pipx install kubernetes-validate, or KUBERNETES_VALIDATE=its path)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

files=("$manifests"/{statefulset,services,disruption-budget,network-policy,migrate}.yaml)
if command -v kustomize >/dev/null; then
  kustomize build "$manifests" >"$work/applied.yaml"
  files+=("$work/applied.yaml")
fi
for version in ${VERIFY_KUBERNETES:-1.30 1.37}; do
  "$validate" --strict --kubernetes-version "$version" "${files[@]}"
done

say 'a field that does not exist is noticed'
sed 's/podManagementPolicy/podMangementPolicy/' "$manifests/statefulset.yaml" >"$work/broken.yaml"
! "$validate" --quiet --strict "$work/broken.yaml" || die 'FAILED: the validation lets everything pass'
say 'all hold'
