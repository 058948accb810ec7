/* Runs one signature of a SavedModel through TensorFlow's C API.
 *
 *   c_api FOLDER INPUT OUTPUT < numbers
 *
 * INPUT and OUTPUT are tensor names as `saved_model_cli show` prints them, such as
 * decode_codes:0. Reads rows, columns and rows * columns floats, prints the output's floats.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

static void check(const TF_Status* status, const char* what) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  exit(1);
}

static TF_Output tensor(TF_Graph* graph, char* name) {
  char* colon = strrchr(name, ':');
  TF_Output output = {NULL, colon == NULL ? 0 : atoi(colon + 1)};
  if (colon != NULL) *colon = '\0';
  output.oper = TF_GraphOperationByName(graph, name);
  if (output.oper == NULL) {
    fprintf(stderr, "%s is not in the graph\n", name);
    exit(1);
  }
  return output;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status, "load");

  long long shape[2];
  if (scanf("%lld %lld", &shape[0], &shape[1]) != 2) return 2;
  const int64_t dims[] = {shape[0], shape[1]};
  TF_Tensor* fed = TF_AllocateTensor(TF_FLOAT, dims, 2, sizeof(float) * shape[0] * shape[1]);
  float* values = TF_TensorData(fed);
  for (long long i = 0; i < shape[0] * shape[1]; ++i)
    if (scanf("%f", &values[i]) != 1) return 2;

  TF_Output input = tensor(graph, argv[2]), output = tensor(graph, argv[3]);
  TF_Tensor* result = NULL;
  TF_SessionRun(session, NULL, &input, &fed, 1, &output, &result, 1, NULL, 0, NULL, status);
  check(status, "run");
  const float* numbers = TF_TensorData(result);
  for (int64_t i = 0; i < TF_TensorElementCount(result); ++i) printf("%.9g\n", numbers[i]);
  TF_DeleteTensor(fed);
  TF_DeleteTensor(result);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
