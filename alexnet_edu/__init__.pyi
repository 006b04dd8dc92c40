# The public names, written once: lazy_loader reads them from here, and so do type checkers and editors.
from .attribution import deconvolution as deconvolution
from .attribution import deletion as deletion
from .attribution import grad_cam as grad_cam
from .attribution import guided_backpropagation as guided_backpropagation
from .attribution import insertion as insertion
from .attribution import integrated_gradients as integrated_gradients
from .attribution import rank_correlation as rank_correlation
from .attribution import saliency as saliency
from .attribution import shuffled_from_top as shuffled_from_top
from .attribution import smooth_grad as smooth_grad
from .errors import AlexNetError as AlexNetError
from .errors import ImageError as ImageError
from .errors import WeightsError as WeightsError
from .features import embed as embed
from .features import feature_maps as feature_maps
from .features import filters as filters
from .features import neighbours as neighbours
from .features import occlusion as occlusion
from .features import top_patches as top_patches
from .geometry import layer_table as layer_table
from .geometry import receptive_field_box as receptive_field_box
from .geometry import valid_input_sizes as valid_input_sizes
from .images import held_out_images as held_out_images
from .images import load_image as load_image
from .images import sample_images as sample_images
from .inference import predict as predict
from .inference import predict_many as predict_many
from .inference import ten_crop as ten_crop
from .models import get_model as get_model
from .models import list_models as list_models
from .speed import optimize_for_inference as optimize_for_inference
from .variants import get_spec as get_spec
from .weights import load_pretrained as load_pretrained

__all__: list[str]
__version__: str
