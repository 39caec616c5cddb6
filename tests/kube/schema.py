"""
The fields of the kinds that clients write, with their types: what else comes is unknown to the API server.
A type is one of the words below, a list of one type, a map (`{"*": type}`), or the fields of a struct, whose Go name
stands under "" as it does in messages.
"""

from __future__ import annotations

from typing import Any

S, INT, BOOL, QUANTITY, ANY = "string", "int32", "bool", "quantity", "any"
Type = Any

LABELS = {"*": S}
OWNER = {
    "": "OwnerReference",
    "apiVersion": S,
    "kind": S,
    "name": S,
    "uid": S,
    "controller": BOOL,
    "blockOwnerDeletion": BOOL,
}
META = {
    "": "ObjectMeta",
    **dict.fromkeys(("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"), S),
    "generation": INT,
    "creationTimestamp": S,
    "deletionTimestamp": S,
    "deletionGracePeriodSeconds": INT,
    "labels": LABELS,
    "annotations": LABELS,
    "ownerReferences": [OWNER],
    "finalizers": [S],
    "managedFields": ANY,
}
FIELD_REF = {"": "ObjectFieldSelector", "apiVersion": S, "fieldPath": S}
RESOURCE_REF = {"": "ResourceFieldSelector", "containerName": S, "resource": S, "divisor": QUANTITY}
KEY_REF = {"": "ConfigMapKeySelector", "name": S, "key": S, "optional": BOOL}
ENV = {
    "": "EnvVar",
    "name": S,
    "value": S,
    "valueFrom": {
        "": "EnvVarSource",
        "fieldRef": FIELD_REF,
        "resourceFieldRef": RESOURCE_REF,
        "configMapKeyRef": KEY_REF,
        "secretKeyRef": KEY_REF,
    },
}
SOURCE_REF = {"": "ConfigMapEnvSource", "name": S, "optional": BOOL}
MOUNT = {
    "": "VolumeMount",
    **dict.fromkeys(("name", "mountPath", "subPath", "subPathExpr", "mountPropagation", "recursiveReadOnly"), S),
    "readOnly": BOOL,
}
AMOUNTS = {"*": QUANTITY}
RESOURCES = {"": "ResourceRequirements", "limits": AMOUNTS, "requests": AMOUNTS, "claims": ANY}
CONTAINER = {
    "": "Container",
    **dict.fromkeys(("name", "image", "workingDir", "terminationMessagePath", "terminationMessagePolicy"), S),
    "imagePullPolicy": S,
    "restartPolicy": S,
    "command": [S],
    "args": [S],
    "env": [ENV],
    "envFrom": [{"": "EnvFromSource", "prefix": S, "configMapRef": SOURCE_REF, "secretRef": SOURCE_REF}],
    "resources": RESOURCES,
    "volumeMounts": [MOUNT],
    "stdin": BOOL,
    "stdinOnce": BOOL,
    "tty": BOOL,
    "securityContext": ANY,
    **dict.fromkeys(("ports", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe"), ANY),
    **dict.fromkeys(("volumeDevices", "resizePolicy", "restartPolicyRules"), ANY),
}
ITEMS = [{"": "KeyToPath", "key": S, "path": S, "mode": INT}]
VOLUME = {
    "": "Volume",
    "name": S,
    "configMap": {
        "": "ConfigMapVolumeSource",
        "name": S,
        "items": ITEMS,
        "defaultMode": INT,
        "optional": BOOL,
    },
    "secret": {"": "SecretVolumeSource", "secretName": S, "items": ITEMS, "defaultMode": INT, "optional": BOOL},
    "emptyDir": {"": "EmptyDirVolumeSource", "medium": S, "sizeLimit": QUANTITY},
    "hostPath": {"": "HostPathVolumeSource", "path": S, "type": S},
    "nfs": {"": "NFSVolumeSource", "server": S, "path": S, "readOnly": BOOL},
    "persistentVolumeClaim": {"": "PersistentVolumeClaimVolumeSource", "claimName": S, "readOnly": BOOL},
    **dict.fromkeys(("projected", "downwardAPI", "csi", "ephemeral", "cephfs", "iscsi", "image"), ANY),
}
POD_SECURITY = {
    "": "PodSecurityContext",
    **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), INT),
    "supplementalGroups": [INT],
    "runAsNonRoot": BOOL,
    "fsGroupChangePolicy": S,
    "supplementalGroupsPolicy": S,
    **dict.fromkeys(("seLinuxOptions", "seccompProfile", "appArmorProfile", "sysctls", "windowsOptions"), ANY),
    "seLinuxChangePolicy": S,
}
POD_SPEC = {
    "": "PodSpec",
    "volumes": [VOLUME],
    "initContainers": [CONTAINER],
    "containers": [CONTAINER],
    "restartPolicy": S,
    "terminationGracePeriodSeconds": INT,
    "activeDeadlineSeconds": INT,
    "dnsPolicy": S,
    "nodeSelector": LABELS,
    **dict.fromkeys(("serviceAccountName", "serviceAccount", "nodeName", "schedulerName", "hostname"), S),
    **dict.fromkeys(("priorityClassName", "runtimeClassName", "subdomain", "preemptionPolicy"), S),
    **dict.fromkeys(("automountServiceAccountToken", "hostNetwork", "hostPID", "hostIPC", "hostUsers"), BOOL),
    **dict.fromkeys(("shareProcessNamespace", "setHostnameAsFQDN", "enableServiceLinks"), BOOL),
    "priority": INT,
    "securityContext": POD_SECURITY,
    "imagePullSecrets": [{"": "LocalObjectReference", "name": S}],
    **dict.fromkeys(("affinity", "tolerations", "hostAliases", "dnsConfig", "readinessGates", "overhead"), ANY),
    **dict.fromkeys(("topologySpreadConstraints", "os", "schedulingGates", "resourceClaims", "resources"), ANY),
    "ephemeralContainers": ANY,
    "hostnameOverride": S,
    "workloadRef": ANY,
}
TEMPLATE = {"": "PodTemplateSpec", "metadata": META, "spec": POD_SPEC}
JOB_SPEC = {
    "": "JobSpec",
    **dict.fromkeys(("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit"), INT),
    **dict.fromkeys(("backoffLimitPerIndex", "maxFailedIndexes", "ttlSecondsAfterFinished"), INT),
    **dict.fromkeys(("manualSelector", "suspend"), BOOL),
    **dict.fromkeys(("completionMode", "podReplacementPolicy", "managedBy"), S),
    "selector": {"": "LabelSelector", "matchLabels": LABELS, "matchExpressions": ANY},
    "template": TEMPLATE,
    "podFailurePolicy": ANY,
    "successPolicy": ANY,
}
HEAD = {"kind": S, "apiVersion": S, "metadata": META}
QUOTA_SPEC = {"": "ResourceQuotaSpec", "hard": AMOUNTS, "scopes": [S], "scopeSelector": ANY}

KINDS: dict[str, Type] = {
    "Job": {"": "Job", **HEAD, "spec": JOB_SPEC, "status": ANY},
    "Pod": {"": "Pod", **HEAD, "spec": POD_SPEC, "status": ANY},
    "ConfigMap": {
        "": "ConfigMap",
        **HEAD,
        "data": LABELS,
        "binaryData": {"*": "bytes"},
        "immutable": BOOL,
    },
    "Secret": {
        "": "Secret",
        **HEAD,
        "data": {"*": "bytes"},
        "stringData": LABELS,
        "type": S,
        "immutable": BOOL,
    },
    "ResourceQuota": {"": "ResourceQuota", **HEAD, "spec": QUOTA_SPEC, "status": ANY},
}
"""Kinds that are not here are taken as they come."""
