{
  "dir": "../../../test/fixtures/repos/commented",
  "valid": true,
  "diagnostics": [
    {
      "severity": "warning",
      "path": "ci.sh",
      "message": "it is not there, but phase \"build\" of env \"default\" runs it: add it"
    }
  ],
  "folders": [
    {
      "path": "",
      "config": "katkitconfig.js",
      "description": "servicedescription/servicedescription.js",
      "ciScript": false,
      "envs": [
        {
          "name": "default",
          "valid": true,
          "localFleet": false,
          "phases": [
            {
              "name": "build",
              "type": "Execution",
              "order": 1,
              "parallelism": 1,
              "automated": true,
              "failFast": true,
              "params": [
                {
                  "name": "PHASE",
                  "value": "build"
                },
                {
                  "name": "OPTS",
                  "value": "--a=b"
                },
                {
                  "name": "EMPTY",
                  "value": ""
                }
              ]
            },
            {
              "name": "unit tests",
              "type": "Execution",
              "order": 2,
              "parallelism": 3,
              "automated": true,
              "failFast": false,
              "params": []
            },
            {
              "name": "lint",
              "type": "Execution",
              "order": 2,
              "parallelism": 1,
              "automated": true,
              "failFast": true,
              "params": []
            },
            {
              "name": "deploy",
              "type": "Deployment",
              "order": 3,
              "parallelism": 1,
              "automated": true,
              "failFast": true,
              "params": []
            }
          ]
        },
        {
          "name": "PROD",
          "valid": true,
          "localFleet": false,
          "phases": [
            {
              "name": "deploy",
              "type": "Deployment",
              "order": 0,
              "parallelism": 1,
              "automated": false,
              "failFast": true,
              "params": []
            }
          ]
        }
      ],
      "services": [
        {
          "role": "web",
          "image": "example/web:<hubtag>"
        }
      ]
    }
  ]
}
